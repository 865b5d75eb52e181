// Shows one pair: why it is in the queue, both videos, their frames, what they share, and what was decided.
"use strict";

ndvr.makePairView = (pair, choices) => {
  const { make, nameOf } = ndvr;
  const kept = choices.keptOf(pair);

  function makeSide(video, side) {
    const badges = (video.badges ?? []).map((badge) => make("span", { class: "badge" }, badge));
    const isKept = video.id === kept && choices.verdictOf(pair)?.verdict === "duplicate";
    const facts = [video.title ? video.id : null, video.facts].filter(Boolean).join(" · ");
    return make(
      "div",
      { class: "video" },
      make("p", { class: "name" }, make("span", { class: "which" }, ["First", "Second"][side]), " ", make("bdi", {}, nameOf(video)), " ", badges),
      make("p", { class: "facts" }, isKept ? make("strong", {}, "You keep this one. ") : null, make("bdi", {}, facts)),
    );
  }

  function makeDecision() {
    const found = choices.verdictOf(pair);
    if (!found) return choices.isSkipped(pair) ? make("p", { class: "decided" }, "You skipped this pair.") : null;
    const name = ndvr.verdictNames[found.verdict];
    if (found.isNew) return make("p", { class: "decided" }, "You decided: ", make("strong", {}, name), ".");
    const reason = found.note ? ` (${found.note})` : "";
    return make("p", { class: "decided" }, "Decided: ", make("strong", {}, name), `, by ${found.decided_by} on ${found.decided_at}${reason}.`);
  }

  function makeHead() {
    const texts = (pair.reasons ?? []).map((reason) => make("span", { class: "reason" }, reason));
    if (pair.cluster && pair.members > 2) {
      texts.push(make("button", { type: "button", class: "link", "data-find": pair.cluster }, `Cluster of ${pair.members} videos`));
    }
    return texts.length ? make("p", { class: "reasons" }, texts) : null;
  }

  function makeTechnical() {
    if (!pair.evidence) return null;
    const rows = pair.evidence.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
    const { file, size } = pair.match;
    const alt = "Similarity of each frame of the first video, from top to bottom, to each frame of the second video, from left to right. Brighter means more similar.";
    const matrix = file
      ? make("figure", { class: "match" }, make("img", { src: file, width: size[0], height: size[1], alt, loading: "lazy" }), make("figcaption", {}, "Down: first video. Across: second video. Brighter: more similar, on the same scale for all pairs. The lines are the shared footage."))
      : null;
    return make("details", { class: "technical" }, make("summary", {}, "Technical"), make("div", { class: "evidence" }, matrix, make("dl", {}, rows)));
  }

  const title = make("h1", { id: "pair-title", class: "hidden", tabindex: "-1" }, pair.videos.map(nameOf).join(" and "));
  return make(
    "section",
    { class: "pair", "aria-labelledby": "pair-title", "data-left": pair.videos[0].id, "data-right": pair.videos[1].id },
    title,
    makeHead(),
    makeDecision(),
    make("div", { class: "videos" }, pair.videos.map(makeSide)),
    ndvr.makeFrames(pair),
    pair.sentence ? make("p", { class: "sentence" }, pair.sentence) : null,
    pair.path ? make("p", { class: "path" }, pair.path) : null,
    makeTechnical(),
  );
};
