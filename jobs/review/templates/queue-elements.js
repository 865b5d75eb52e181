// Makes elements. Text becomes text nodes, never markup, because ids and titles are untrusted.
"use strict";

ndvr.make = (tag, attributes = {}, ...children) => {
  const isDrawing = ["svg", "rect", "polygon", "title"].includes(tag);
  const element = isDrawing ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== ""));
  return element;
};

ndvr.nameOf = (video) => video.title || video.id;
ndvr.verdictNames = { duplicate: "duplicate", not_duplicate: "not a duplicate", part: "part" };
