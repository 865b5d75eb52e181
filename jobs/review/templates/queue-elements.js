// Makes elements. Text becomes text nodes, never markup, because ids and titles are untrusted.
"use strict";

ndvr.make = (tag, attributes = {}, ...children) => {
  const isDrawing = ["svg", "rect", "polygon", "title"].includes(tag);
  const element = isDrawing ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== ""));
  return element;
};

// A time in a video, as format_clock in formatting.py writes it.
ndvr.formatClock = (second) => {
  const tenths = Math.round(second * 10);
  const [hours, minutes, rest] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60, tenths % 600];
  const clock = hours ? String(minutes).padStart(2, "0") : `${minutes}`;
  return `${hours ? `${hours}:` : ""}${clock}:${String(Math.floor(rest / 10)).padStart(2, "0")}.${rest % 10}`;
};

ndvr.nameOf = (video) => video.title || video.id;
ndvr.verdictNames = { duplicate: "duplicate", not_duplicate: "not a duplicate", part: "part" };
