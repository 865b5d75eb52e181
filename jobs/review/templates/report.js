// Collects decisions in the browser and saves them as JSON lines for `ndvr decide --file`.
"use strict";

// Boxes that scroll sideways must be reachable by keyboard; the others must not be.
function updateTabStops() {
  for (const box of document.querySelectorAll(".strips, .wide, pre")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
window.addEventListener("load", updateTabStops);
window.addEventListener("resize", updateTabStops);

(() => {
  const { report, file, note } = document.body.dataset;
  const storageKey = `ndvr-report-${report}`;
  const status = document.getElementById("status");
  if (!status) return;
  let isStored = true;
  // Subject -> {at, decision}. The subject of a pair is both ids; the subject of a keeper is its cluster. A withdrawn
  // decision is null. The later of two decisions wins, so choices of several pages can be merged in any order.
  let choices = new Map();

  const pairSubject = (left, right) => JSON.stringify(["pair", left, right]);
  const keeperSubject = (cluster) => JSON.stringify(["keeper", cluster]);
  const decisionOf = (subject) => choices.get(subject)?.decision ?? null;
  const countDecisions = (count) => (count === 1 ? "1 decision" : `${count} decisions`);
  const decided = () => [...choices.values()].map(({ decision }) => decision).filter(Boolean);

  function merge(text) {
    for (const [subject, choice] of JSON.parse(text || "[]")) {
      if (!(choices.get(subject)?.at >= choice.at)) choices.set(subject, choice);
    }
  }

  function load() {
    try {
      merge(localStorage.getItem(storageKey));
    } catch {
      isStored = false;
    }
  }

  function store() {
    try {
      localStorage.setItem(storageKey, JSON.stringify([...choices]));
      isStored = true;
    } catch {
      isStored = false;
    }
  }

  // Firefox separates the storage of each file, so links between the pages carry the choices in their hash.
  function readFromAddress() {
    const carried = window.location.hash.match(/^#choices=(.*)$/);
    if (!carried) return;
    try {
      merge(decodeURIComponent(carried[1]));
      store();
    } catch {
      // The address was truncated: keep the stored choices.
    }
    window.history.replaceState(null, "", window.location.pathname);
  }

  function writeToAddress(link) {
    if (link.protocol !== "file:" || link.pathname === window.location.pathname || !choices.size) return;
    link.hash = `choices=${encodeURIComponent(JSON.stringify([...choices]))}`;
  }

  function change(subject, decision) {
    load(); // another page of the report may be open too
    const isSame = JSON.stringify(decisionOf(subject)) === JSON.stringify(decision);
    choices.set(subject, { at: Date.now(), decision: isSame ? null : decision });
    store();
    show();
  }

  function decide(pair, verdict) {
    const { left, right } = pair.dataset;
    change(pairSubject(left, right), verdict && { left_id: left, right_id: right, verdict });
  }

  function keep(button) {
    const { keep: video, cluster } = button.dataset;
    change(keeperSubject(cluster), { left_id: video, verdict: "keep_this" });
  }

  function withdraw(pair) {
    change(keeperSubject(pair.dataset.cluster), null);
    decide(pair, null);
  }

  function show(message) {
    for (const pair of document.querySelectorAll(".pair")) {
      const verdict = decisionOf(pairSubject(pair.dataset.left, pair.dataset.right))?.verdict;
      for (const button of pair.querySelectorAll("[data-verdict]")) {
        button.setAttribute("aria-pressed", String(verdict === button.dataset.verdict));
      }
    }
    for (const button of document.querySelectorAll("[data-keep]")) {
      const kept = decisionOf(keeperSubject(button.dataset.cluster))?.left_id;
      button.setAttribute("aria-pressed", String(kept === button.dataset.keep));
    }
    const count = decided().length;
    const counted = count === 0 ? "No decisions yet." : `${countDecisions(count)}.`;
    const warning = isStored ? "" : " This browser does not store them: save before you leave the page.";
    status.textContent = message || counted + warning;
    document.getElementById("save").disabled = count === 0;
    document.getElementById("clear").disabled = count === 0;
  }

  // Escaped to ASCII, because some readers of JSON lines treat certain Unicode characters as line ends.
  const toAscii = (text) =>
    text.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);

  function save() {
    const lines = decided().map((decision) => `${toAscii(JSON.stringify({ ...decision, note }))}\n`);
    if (!lines.length) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
    link.download = file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    show(`Saved ${countDecisions(lines.length)} as ${file} in your downloads. Import the file with ndvr decide.`);
  }

  function step(from, by) {
    const pairs = [...document.querySelectorAll(".pair")];
    const place = from ? pairs.indexOf(from) + by : by > 0 ? 0 : pairs.length - 1;
    const next = pairs[Math.min(Math.max(place, 0), pairs.length - 1)];
    next?.focus({ preventScroll: true });
    next?.scrollIntoView({ block: "start" });
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (link) writeToAddress(link);
    const button = event.target.closest("button");
    if (!button) return;
    if (button.id === "save") save();
    else if (button.id === "clear") {
      if (window.confirm("Delete all your decisions in this report?")) {
        for (const subject of choices.keys()) choices.set(subject, { at: Date.now(), decision: null });
        store();
        show();
      }
    } else if (button.dataset.keep !== undefined) keep(button);
    else if (button.dataset.verdict) decide(button.closest(".pair"), button.dataset.verdict);
  });

  const keysSwitch = document.getElementById("keys");
  const switchKey = "ndvr-report-keys";
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
    if (!keysSwitch.checked || event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input")) return;
    const pair = document.activeElement?.closest(".pair");
    const act = {
      j: () => step(pair, 1),
      k: () => step(pair, -1),
      s: () => save(),
      d: () => pair && decide(pair, "duplicate"),
      n: () => pair && decide(pair, "not_duplicate"),
      x: () => pair && withdraw(pair),
      1: () => pair && keep(pair.querySelectorAll("[data-keep]")[0]),
      2: () => pair && keep(pair.querySelectorAll("[data-keep]")[1]),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  window.addEventListener("storage", (event) => {
    if (event.key !== storageKey) return;
    load();
    show();
  });
  window.addEventListener("pageshow", () => {
    load();
    show();
  });
  load();
  readFromAddress();
  show();
})();
