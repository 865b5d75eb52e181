// Collects decisions in the browser and saves them as the JSON lines that `ndvr decide --file` takes.
"use strict";

// What has to be scrolled sideways must be reached by the keyboard, and nothing else need be.
function reachScrollers() {
  for (const box of document.querySelectorAll(".strips, .wide, pre")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
window.addEventListener("load", reachScrollers);
window.addEventListener("resize", reachScrollers);

(() => {
  const { report, file, note } = document.body.dataset;
  const storageKey = `ndvr-report-${report}`;
  const status = document.getElementById("status");
  if (!status) return;
  let isStored = true;
  // Subject -> {at, decision}. The subject of a pair is both ids, of a keeper its cluster; a decision that was taken
  // back is null. Of two the later holds, so that what several pages know can be joined in any order.
  let choices = new Map();

  const pairSubject = (left, right) => JSON.stringify(["pair", left, right]);
  const keeperSubject = (cluster) => JSON.stringify(["keeper", cluster]);
  const held = (subject) => choices.get(subject)?.decision ?? null;
  const decided = () => [...choices.values()].map(({ decision }) => decision).filter(Boolean);

  function join(text) {
    for (const [subject, choice] of JSON.parse(text || "[]")) {
      if (!(choices.get(subject)?.at >= choice.at)) choices.set(subject, choice);
    }
  }

  function load() {
    try {
      join(localStorage.getItem(storageKey));
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

  // Firefox keeps what each file stores apart from all others, so links between the pages carry the choices along.
  function takeFromAddress() {
    const carried = window.location.hash.match(/^#choices=(.*)$/);
    if (!carried) return;
    try {
      join(decodeURIComponent(carried[1]));
      store();
    } catch {
      // An address cut short: what is stored here holds.
    }
    window.history.replaceState(null, "", window.location.pathname);
  }

  function giveToAddress(link) {
    if (link.protocol !== "file:" || link.pathname === window.location.pathname || !choices.size) return;
    link.hash = `choices=${encodeURIComponent(JSON.stringify([...choices]))}`;
  }

  function change(subject, decision) {
    load(); // another page of the report may be open beside this one
    const isSame = JSON.stringify(held(subject)) === JSON.stringify(decision);
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

  function takeBack(pair) {
    change(keeperSubject(pair.dataset.cluster), null);
    decide(pair, null);
  }

  function show(told) {
    for (const pair of document.querySelectorAll(".pair")) {
      const verdict = held(pairSubject(pair.dataset.left, pair.dataset.right))?.verdict;
      for (const button of pair.querySelectorAll("[data-verdict]")) {
        button.setAttribute("aria-pressed", String(verdict === button.dataset.verdict));
      }
    }
    for (const button of document.querySelectorAll("[data-keep]")) {
      const kept = held(keeperSubject(button.dataset.cluster))?.left_id;
      button.setAttribute("aria-pressed", String(kept === button.dataset.keep));
    }
    const count = decided().length;
    const counted = count === 0 ? "No decisions yet." : count === 1 ? "1 decision." : `${count} decisions.`;
    const warning = isStored ? "" : " This browser does not keep them: save before you leave the page.";
    status.textContent = told || counted + warning;
    document.getElementById("save").disabled = count === 0;
    document.getElementById("clear").disabled = count === 0;
  }

  // Escaped to ASCII: some Unicode characters end a line where JSON lines are read.
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
    show(`Saved ${lines.length} to ${file} in your downloads; ndvr decide imports it.`);
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
    if (link) giveToAddress(link);
    const button = event.target.closest("button");
    if (!button) return;
    if (button.id === "save") save();
    else if (button.id === "clear") {
      if (window.confirm("Drop all decisions that you have made in this report?")) {
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
      // The switch holds for this page alone.
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
      x: () => pair && takeBack(pair),
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
  takeFromAddress();
  show();
})();
