// Lists the pairs; those that are decided are folded away.
"use strict";

ndvr.makeList = (box, choices, onChoose) => {
  const { make } = ndvr;
  const step = 100;
  let limits = { open: step, decided: step };
  let shown = [];
  let current = null;

  function makeRow(pair) {
    const found = choices.verdictOf(pair);
    const state = found ? ndvr.verdictNames[found.verdict] : choices.isSkipped(pair) ? "skipped" : "";
    const details = [pair.relation, pair.probability === undefined || pair.probability === null ? null : pair.probability.toFixed(3), state];
    const row = make(
      "button",
      { type: "button", class: "row", "aria-current": pair === current ? "true" : null },
      make("bdi", {}, pair.videos.map(ndvr.nameOf).join(" and ")),
      make("span", {}, details.filter(Boolean).join(" · ")),
    );
    row.addEventListener("click", () => onChoose(pair));
    return make("li", {}, row);
  }

  function makeRows(name, pairs) {
    const rows = pairs.slice(0, limits[name]).map(makeRow);
    if (pairs.length <= limits[name]) return make("ol", {}, rows);
    const more = make("button", { type: "button" }, `${pairs.length - limits[name]} more`);
    more.addEventListener("click", () => {
      limits[name] += step;
      draw();
    });
    return make("ol", {}, rows, make("li", {}, more));
  }

  function draw() {
    if (!box.open) return;
    const decided = shown.filter((pair) => choices.verdictOf(pair));
    const open = shown.filter((pair) => !choices.verdictOf(pair));
    const wasOpen = box.querySelector("details")?.open ?? false;
    const folded = make("details", { open: wasOpen }, make("summary", {}, `${decided.length} decided`), makeRows("decided", decided));
    box.querySelector("div").replaceChildren(makeRows("open", open), decided.length ? folded : "");
  }

  box.addEventListener("toggle", draw);
  return {
    show(pairs, pair) {
      [shown, current] = [pairs, pair];
      draw();
    },
  };
};
