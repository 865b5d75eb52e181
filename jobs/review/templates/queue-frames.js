// Shows the frames of both videos at matched seconds, one pair of frames per moment, and enlarges them.
"use strict";

// A frame is a cell of a strip: a picture of all frames of one video, 4 px apart.
ndvr.makeFrame = (pair, side, moment) => {
  const { make } = ndvr;
  const { file, size } = pair.frames[side];
  const gap = 4;
  const count = pair.clocks[side].length;
  const cell = (size[0] + gap) / count - gap;
  const name = ndvr.nameOf(pair.videos[side]);
  const image = make("img", { src: file, alt: `${name} at ${pair.clocks[side][moment]}`, decoding: "async" });
  image.style.width = `${(size[0] / cell) * 100}%`;
  image.style.marginLeft = `${((-moment * (cell + gap)) / cell) * 100}%`;
  const frame = make("span", { class: "frame" }, image);
  frame.style.aspectRatio = `${cell} / ${size[1]}`;
  return frame;
};

ndvr.makeFrames = (pair) => {
  const { make } = ndvr;
  const count = Math.max(...pair.clocks.map((clocks) => clocks.length));
  const missing = pair.frames.map(({ file, error }, side) => {
    if (file) return null;
    const name = make("bdi", {}, ndvr.nameOf(pair.videos[side]));
    if (!error) return make("p", { class: "missing" }, "No pictures of ", name, ": the report reached its limit of pictures.");
    return make("p", { class: "missing" }, "The frames of ", name, " could not be read (", make("code", {}, error), ").");
  });
  const dialog = make("dialog", { class: "enlarged", "aria-label": "Enlarged frames" });
  let shown = 0;

  function makeClock(moment) {
    const [first, second] = pair.clocks.map((clocks) => clocks[moment]);
    return make("span", { class: "clock" }, first === second ? first : `${first} = ${second}`);
  }

  function show(moment) {
    shown = Math.min(Math.max(moment, 0), count - 1);
    const sides = [0, 1].filter((side) => pair.frames[side].file);
    const figures = sides.map((side) =>
      make(
        "figure",
        {},
        ndvr.makeFrame(pair, side, shown),
        make("figcaption", {}, make("bdi", {}, ndvr.nameOf(pair.videos[side])), ` at ${pair.clocks[side][shown]}`),
      ),
    );
    const buttons = [
      make("button", { type: "button", "data-step": "-1", disabled: shown === 0 }, "Previous frame"),
      make("button", { type: "button", "data-step": "1", disabled: shown === count - 1 }, "Next frame"),
      make("button", { type: "button", "data-close": true }, "Close"),
    ];
    dialog.replaceChildren(make("div", { class: "sides" }, figures), make("div", { class: "buttons" }, buttons));
    if (!dialog.open) dialog.showModal();
  }

  dialog.addEventListener("click", (event) => {
    const { step, close } = event.target.closest("button")?.dataset ?? {};
    if (step) show(shown + Number(step));
    else if (close !== undefined || event.target === dialog) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") show(shown - 1);
    else if (event.key === "ArrowRight") show(shown + 1);
    event.stopPropagation();
  });

  const moments = [];
  for (let moment = 0; moment < count; moment += 1) {
    const frames = [0, 1].filter((side) => pair.frames[side].file).map((side) => ndvr.makeFrame(pair, side, moment));
    if (!frames.length) break;
    const label = `Enlarge the frames at ${pair.clocks[0][moment]} and ${pair.clocks[1][moment]}`;
    const button = make("button", { type: "button", class: "moment", "aria-label": label }, frames, makeClock(moment));
    button.addEventListener("click", () => show(moment));
    moments.push(button);
  }
  return make("div", { class: "frames" }, make("div", { class: "moments" }, moments), missing, dialog);
};

// Loads the pictures of the pair that comes next, so that it appears at once.
ndvr.preload = (pair) => {
  for (const { file } of pair?.frames ?? []) if (file) new Image().src = file;
};
