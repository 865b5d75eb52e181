// Draws both videos as bars to one scale, and a band between them for each stretch that they share.
"use strict";

ndvr.makeTimeline = (pair) => {
  const { make } = ndvr;
  const [width, height, bar] = [1000, 64, 14];
  const known = pair.segments.flatMap(([, leftEnd, , rightEnd]) => [leftEnd, rightEnd]);
  const seconds = pair.videos.map((video, side) => {
    return Math.max(video.seconds ?? 0, ...pair.segments.map((segment) => segment[side * 2 + 1]));
  });
  const longest = Math.max(...seconds, ...known);
  if (!pair.segments.length || !(longest > 0)) return null;
  const at = (second) => ((second / longest) * width).toFixed(1);

  function makeBand([leftStart, leftEnd, rightStart, rightEnd], number) {
    const corners = [[leftStart, bar], [leftEnd, bar], [rightEnd, height - bar], [rightStart, height - bar]];
    const points = corners.map(([second, y]) => `${at(second)},${y}`).join(" ");
    const colour = `colour-${number % 4}`;
    const stretch = (start, end, y) => {
      return make("rect", { x: at(start), y, width: Math.max(at(end) - at(start), 2), height: bar, class: `stretch ${colour}` });
    };
    const name = `${ndvr.formatClock(leftStart)} to ${ndvr.formatClock(leftEnd)} of the first is ${ndvr.formatClock(rightStart)} to ${ndvr.formatClock(rightEnd)} of the second`;
    const band = make("polygon", { points, class: `band ${colour}` }, make("title", {}, name));
    return [band, stretch(leftStart, leftEnd, 0), stretch(rightStart, rightEnd, height - bar)];
  }

  const bars = [0, height - bar].map((y, side) => make("rect", { x: 0, y, width: at(seconds[side]), height: bar, class: "extent" }));
  const drawing = make(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": pair.sentence || "Timeline of the shared stretches" },
    bars,
    pair.segments.map(makeBand),
  );
  const names = pair.videos.map((_, side) => make("span", {}, `${["First", "Second"][side]} ${ndvr.formatClock(seconds[side])}`));
  return make("div", { class: "timeline" }, make("div", { class: "names", "aria-hidden": "true" }, names), drawing);
};
