// Plays the clips of both videos side by side, or one over the other with a wipe. Both have the same number of frames, at
// matched seconds, so equal times of the clips show the same footage at any speed of the videos.
"use strict";

ndvr.makePlayer = (pair) => {
  const { make } = ndvr;
  const { files, sizes, starts, ends, frames, fps } = pair.clips;
  const step = 1 / fps;
  const duration = frames / fps;
  const wasStacked = ndvr.isStacked ?? false;

  const videos = files.map((file, side) => {
    const video = make("video", { src: file, width: sizes[side][0], height: sizes[side][1], preload: "auto", playsinline: true });
    video.muted = true;
    return video;
  });
  const [first, second] = videos;

  function makeRegion(side) {
    const region = pair.regions?.[side];
    if (!region) return null;
    const [left, top, right, bottom] = region;
    const box = make("span", { class: "region" });
    Object.assign(box.style, { left: `${left * 100}%`, top: `${top * 100}%`, width: `${(right - left) * 100}%`, height: `${(bottom - top) * 100}%` });
    return box;
  }

  const screens = videos.map((video, side) => {
    const screen = make("div", { class: "screen" }, video, makeRegion(side));
    screen.style.setProperty("--aspect", sizes[side][0] / sizes[side][1]);
    return make("figure", {}, screen, make("figcaption", {}));
  });
  const captions = screens.map((figure) => figure.querySelector("figcaption"));
  const stage = make("div", { class: "screens" }, screens);
  const scrubber = make("input", { type: "range", min: 0, max: frames - 1, step: 1, value: 0, "aria-label": "Time in both clips" });
  const wipe = make("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "Wipe from the first to the second video" });
  const play = make("button", { type: "button" }, "Play");
  const stack = make("button", { type: "button", "aria-pressed": "false" }, "Wipe ", make("kbd", {}, "w"));
  const isPlaying = () => !first.paused && !first.ended;

  function showTime() {
    const frame = Math.min(Math.floor(first.currentTime * fps), frames - 1);
    scrubber.value = frame;
    [0, 1].forEach((side) => {
      const share = frames > 1 ? frame / (frames - 1) : 0;
      captions[side].textContent = `${["First", "Second"][side]} at ${ndvr.formatClock(starts[side] + share * (ends[side] - starts[side]))}`;
    });
    scrubber.setAttribute("aria-valuetext", captions.map((caption) => caption.textContent).join(", "));
    play.textContent = isPlaying() ? "Pause" : "Play";
  }

  function follow() {
    if (!first.isConnected) return;
    // The clips drift apart by what the browser delays one of them.
    if (Math.abs(second.currentTime - first.currentTime) > step) second.currentTime = first.currentTime;
    showTime();
    if (isPlaying()) requestAnimationFrame(follow);
    else second.pause();
  }

  function seek(seconds) {
    // To the middle of a frame: a time at its edge may show the one before.
    const frame = Math.min(Math.max(Math.round(seconds * fps), 0), frames - 1);
    for (const video of videos) video.currentTime = (frame + 0.5) / fps;
    scrubber.value = frame;
  }

  function pause() {
    videos.forEach((video) => video.pause());
    showTime();
  }

  async function start() {
    if (first.ended || first.currentTime >= duration - step) seek(0);
    second.currentTime = first.currentTime;
    try {
      await Promise.all(videos.map((video) => video.play()));
    } catch {
      return; // the reviewer moved on, or the browser plays no WebM
    }
    follow();
  }

  function showWipe() {
    screens[1].querySelector(".screen").style.clipPath = ndvr.isStacked ? `inset(0 0 0 ${wipe.value}%)` : "";
  }

  // In the stack, the part of the second picture that the first one shows covers that part.
  function setStacked(isStacked) {
    ndvr.isStacked = isStacked;
    stage.classList.toggle("stacked", isStacked);
    stack.setAttribute("aria-pressed", String(isStacked));
    wipe.hidden = !isStacked;
    screens[1].style.aspectRatio = isStacked ? `${sizes[0][0]} / ${sizes[0][1]}` : "";
    const upper = screens[1].querySelector(".screen").style;
    Object.assign(upper, { left: "", top: "", width: "", height: "" });
    if (isStacked) {
      const [own, other] = pair.regions ?? [[0, 0, 1, 1], [0, 0, 1, 1]];
      const scale = [0, 1].map((axis) => (own[axis + 2] - own[axis]) / (other[axis + 2] - other[axis]));
      Object.assign(upper, {
        left: `${(own[0] - other[0] * scale[0]) * 100}%`,
        top: `${(own[1] - other[1] * scale[1]) * 100}%`,
        width: `${scale[0] * 100}%`,
        height: `${scale[1] * 100}%`,
      });
    }
    showWipe();
  }

  const toggle = () => (isPlaying() ? pause() : start());
  const move = (by) => {
    pause();
    seek((Number(scrubber.value) + by) / fps);
  };
  play.addEventListener("click", toggle);
  stack.addEventListener("click", () => setStacked(!ndvr.isStacked));
  wipe.addEventListener("input", showWipe);
  scrubber.addEventListener("input", () => {
    const wanted = Number(scrubber.value); // pausing shows the time before
    pause();
    seek(wanted / fps);
  });
  for (const event of ["seeked", "ended", "loadeddata"]) first.addEventListener(event, showTime);
  seek(0);
  setStacked(wasStacked);
  showTime();
  return {
    element: make("div", { class: "player" }, stage, make("div", { class: "controls" }, play, scrubber, stack, wipe)),
    start,
    pause,
    keys: {
      " ": toggle,
      ArrowLeft: () => move(-1),
      ArrowRight: () => move(1),
      w: () => setStacked(!ndvr.isStacked),
    },
  };
};

// Switches between the frames and the clips of a pair. The choice stays for the pairs that follow.
ndvr.makeStage = (pair) => {
  const { make } = ndvr;
  ndvr.player = null;
  const frames = ndvr.makeFrames(pair);
  if (!pair.clips) return frames;
  const player = ndvr.makePlayer(pair);
  const choices = ["Frames", "Play"].map((name) => make("button", { type: "button", "aria-pressed": "false" }, name));

  function show(isPlayer) {
    ndvr.showsPlayer = isPlayer;
    frames.hidden = isPlayer;
    player.element.hidden = !isPlayer;
    choices.forEach((button, place) => button.setAttribute("aria-pressed", String((place === 1) === isPlayer)));
    if (isPlayer) player.start();
    else player.pause();
  }

  choices[0].addEventListener("click", () => show(false));
  choices[1].addEventListener("click", () => show(true));
  const whenShown = (key) => () => (ndvr.showsPlayer ? player.keys[key]() : show(true));
  ndvr.player = { keys: Object.fromEntries(Object.keys(player.keys).map((key) => [key, whenShown(key)])) };
  ndvr.player.keys.f = () => show(!ndvr.showsPlayer);
  const stage = make("div", {}, make("div", { class: "modes", role: "group", "aria-label": "Show" }, choices), frames, player.element);
  show(ndvr.showsPlayer ?? false);
  return stage;
};
