// Moves through the queue: keys, buttons, the counter, and the file of decisions.
"use strict";

(() => {
  const { key, note, sample, file } = document.body.dataset;
  const element = (id) => document.getElementById(id);
  const choices = ndvr.makeChoices({ key, note, sample, past: ndvr.past });
  const isDecided = (pair) => choices.verdictOf(pair) !== null;
  // Undecided pairs first, in the order of the report. The order stays while the page is open.
  const ordered = [...ndvr.pairs.filter((pair) => !isDecided(pair)), ...ndvr.pairs.filter(isDecided)];
  const filter = ndvr.makeFilter(element("filter"), ordered, () => refilter());
  const list = ndvr.makeList(element("list"), choices, (pair) => go(pair));
  let shown = [];
  let current = null; // null at the end of the queue
  let saved = "";

  const noun = sample ? "answer" : "decision";
  const countDecisions = (count) => `${count} ${noun}${count === 1 ? "" : "s"}`;
  const placeOf = (pair) => shown.indexOf(pair);

  function say(text) {
    element("status").textContent = text;
  }

  function describeState() {
    const left = shown.filter((pair) => !isDecided(pair)).length;
    const count = choices.count();
    const unsaved = count === 0 ? `no ${noun}s to save` : `${countDecisions(count)} to save`;
    const warning = choices.isStored() ? "" : " This browser does not store them: save before you leave the page.";
    return `${left} undecided, ${unsaved}.${warning}`;
  }

  function showCounter() {
    const place = placeOf(current);
    element("counter").textContent = current ? `${place + 1} of ${shown.length}` : `${shown.length} of ${shown.length}`;
    const done = shown.filter(isDecided).length;
    element("progress").max = Math.max(shown.length, 1);
    element("progress").value = done;
    element("progress").textContent = `${done} of ${shown.length} decided`;
  }

  function showButtons() {
    const verdict = current && choices.verdictOf(current)?.verdict;
    const kept = current && choices.keptOf(current);
    for (const button of document.querySelectorAll("[data-verdict]")) {
      button.setAttribute("aria-pressed", String(verdict === button.dataset.verdict));
      button.disabled = !current;
    }
    for (const button of document.querySelectorAll("[data-keep]")) {
      const isKept = current && verdict === "duplicate" && current.videos[button.dataset.keep].id === kept;
      button.setAttribute("aria-pressed", String(Boolean(isKept)));
      button.disabled = !current;
    }
    element("skip").disabled = !current;
    element("save").disabled = choices.count() === 0;
  }

  function showEnd() {
    const { make } = ndvr;
    const text = shown.length ? "Every pair is decided." : "No pair matches the filter.";
    const hint = choices.count() ? `Save your ${countDecisions(choices.count())}, then run:` : "";
    const command = hint ? make("pre", {}, make("code", {}, document.body.dataset.command)) : null;
    return make("section", { class: "end" }, make("h1", {}, text), hint ? make("p", {}, hint) : null, command);
  }

  function show(message = "") {
    element("stage").replaceChildren(current ? ndvr.makePairView(current, choices) : showEnd());
    showCounter();
    showButtons();
    list.show(shown, current);
    say([message, saved || describeState()].filter(Boolean).join(" "));
    ndvr.preload(findNext());
  }

  function go(pair, message) {
    saved = "";
    current = pair;
    window.scrollTo(0, 0);
    show(message);
  }

  function refilter() {
    shown = ordered.filter(filter.matches);
    element("filtered").hidden = !filter.isActive();
    go(shown.includes(current) ? current : shown.find((pair) => !isDecided(pair)) ?? shown[0] ?? null);
  }

  // The next undecided pair after the current one, then those before it, then skipped pairs; null at the end.
  function findNext() {
    const place = placeOf(current);
    const around = [...shown.slice(place + 1), ...shown.slice(0, Math.max(place, 0))].filter((pair) => !isDecided(pair));
    const isOpen = current && place >= 0 && !isDecided(current);
    return around.find((pair) => !choices.isSkipped(pair)) ?? around[0] ?? (isOpen ? current : null);
  }

  function moveOn(message) {
    go(findNext(), message);
  }

  function step(by) {
    const place = current ? placeOf(current) + by : shown.length - 1;
    go(shown[Math.min(Math.max(place, 0), shown.length - 1)] ?? null);
  }

  function decide(verdict) {
    if (!current) return;
    choices.decide(current, verdict);
    moveOn(`Decided: ${ndvr.verdictNames[verdict]}.`);
  }

  function keep(side) {
    if (!current || !document.querySelector("[data-keep]")) return;
    choices.keep(current, side);
    moveOn(`Decided: duplicate, keep ${ndvr.nameOf(current.videos[side])}.`);
  }

  function skip() {
    if (!current) return;
    choices.skip(current);
    moveOn("Skipped.");
  }

  function withdraw() {
    if (!current) return;
    const found = choices.verdictOf(current);
    if (choices.withdraw(current)) show(`Your ${noun} on this pair is withdrawn.`);
    else if (found) say(`${found.decided_by} decided this pair earlier: withdraw it with ndvr decide --withdraw.`);
    else say("Nothing is decided on this pair.");
  }

  function undo() {
    const subject = choices.undo();
    if (!subject) return say("Nothing to undo.");
    const pair = ordered.find((one) => choices.subjectOf(one) === subject);
    if (pair && !shown.includes(pair)) filter.find(pair.videos[0].id);
    return go(pair ?? current, "Undone.");
  }

  function save() {
    choices.load();
    const lines = choices.lines();
    if (!lines.length) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
    link.download = file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    saved = `Saved ${countDecisions(lines.length)} as ${file} in your downloads. Import: ${document.body.dataset.command}`;
    say(saved);
  }

  function clear() {
    if (!window.confirm(`Delete all your ${noun}s that this browser stores for this queue?`)) return;
    choices.clear();
    go(current, "Deleted.");
  }

  const keys = {
    d: () => decide("duplicate"),
    n: () => decide("not_duplicate"),
    p: () => decide("part"),
    1: () => keep(0),
    2: () => keep(1),
    s: skip,
    u: undo,
    x: withdraw,
    j: () => step(1),
    k: () => step(-1),
    e: save,
    "/": () => {
      element("filters").open = true;
      element("filter").elements.find.focus();
    },
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { verdict, keep: side, find } = button.dataset;
    if (verdict) decide(verdict);
    else if (side) keep(Number(side));
    else if (find) filter.find(find);
    else if (button.id) ({ skip, undo, save, clear, withdraw, unfilter: () => element("filter").reset() })[button.id]?.();
    // After a click, the space bar plays; after the Enter key, the button keeps the focus.
    if (event.detail > 0 && button.closest(".bar")) button.blur();
  });

  const keysSwitch = element("keys");
  const switchKey = "ndvr-queue-keys";
  try {
    keysSwitch.checked = localStorage.getItem(switchKey) !== "off";
  } catch {
    keysSwitch.checked = true;
  }
  keysSwitch.addEventListener("change", () => {
    try {
      localStorage.setItem(switchKey, keysSwitch.checked ? "on" : "off");
    } catch {
      // The switch applies to this page only.
    }
  });

  document.addEventListener("keydown", (event) => {
    const isOn = (selector) => document.activeElement?.matches(selector) ?? false;
    const isTyping = isOn("input:not([type=checkbox]):not([type=range]), select");
    if (!keysSwitch.checked || event.ctrlKey || event.altKey || event.metaKey || isTyping || event.repeat) return;
    const act = keys[event.key] ?? (isOn("button, summary, a, input") ? null : ndvr.player?.keys[event.key]);
    if (!act) return;
    event.preventDefault();
    act();
  });

  window.addEventListener("storage", (event) => {
    if (event.key !== choices.storageKey) return;
    choices.load();
    show();
  });
  window.addEventListener("pageshow", () => choices.load());
  refilter();
})();
