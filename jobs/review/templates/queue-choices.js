// Keeps the reviewer's choices in the browser, undoes them step by step, and lists them for `ndvr decide --file`.
"use strict";

ndvr.makeChoices = ({ key, note, sample, past }) => {
  const storageKey = `ndvr-queue-${key}`;
  const maxSteps = 1000;
  // Subject -> {at, decision, isSkipped, on}. The subject of a pair is both ids; the subject of a keeper is its cluster,
  // because a cluster has one keeper. `on` is the pair on which a keeper was chosen. A withdrawn decision is null. The
  // later of two choices wins, so those of several windows can be merged in any order.
  let choices = new Map();
  let steps = []; // [{pair, before: [[subject, choice or null]]}], the last one is undone first
  let isStored = true;

  const idsOf = (pair) => pair.videos.map((video) => video.id);
  const pairSubject = (pair) => JSON.stringify(["pair", ...idsOf(pair)]);
  const keeperSubject = (pair) => (pair.cluster ? JSON.stringify(["keeper", pair.cluster]) : JSON.stringify(["keeper", ...idsOf(pair)]));
  const pastOf = new Map(past.map((one) => [JSON.stringify([one.left_id, one.right_id]), one]));
  const pastAbout = (left, right) => pastOf.get(JSON.stringify([left, right]));
  const pastOfDecision = (decision) => decision && pastAbout(decision.left_id, decision.right_id ?? decision.left_id);
  const decisionOf = (subject) => choices.get(subject)?.decision ?? null;

  function merge(text) {
    const stored = JSON.parse(text || "{}");
    for (const [subject, choice] of stored.choices ?? []) {
      if (!(choices.get(subject)?.at >= choice.at)) choices.set(subject, choice);
    }
    steps = stored.steps ?? steps;
    // A later decision in the lake replaces a choice: it was imported, or another person decided.
    for (const [subject, { at, decision }] of choices) {
      if (pastOfDecision(decision)?.decided_millis >= at) choices.delete(subject);
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
      localStorage.setItem(storageKey, JSON.stringify({ choices: [...choices], steps: steps.slice(-maxSteps) }));
      isStored = true;
    } catch {
      isStored = false;
    }
  }

  function set(updates) {
    for (const [subject, choice] of updates) {
      choices.set(subject, { ...choice, at: Math.max(Date.now(), (choices.get(subject)?.at ?? 0) + 1) });
    }
    store();
  }

  function change(pair, updates) {
    load(); // another window may have changed the choices
    steps.push({ pair: pairSubject(pair), before: updates.map(([subject]) => [subject, choices.get(subject) ?? null]) });
    set(updates);
  }

  function makeDecision(pair, verdict) {
    const [left, right] = idsOf(pair);
    return { left_id: left, right_id: right, verdict };
  }

  // Escaped to ASCII, because some readers of JSON lines treat certain Unicode characters as line ends.
  const toAscii = (text) =>
    text.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);

  const isNew = (decision) => decision !== null && pastOfDecision(decision)?.verdict !== decision.verdict;
  const listNew = () => [...choices.values()].map(({ decision }) => decision ?? null).filter(isNew);

  load();
  return {
    storageKey,
    load,
    isStored: () => isStored,
    subjectOf: pairSubject,
    isSkipped: (pair) => choices.get(pairSubject(pair))?.isSkipped === true,
    // The verdict in force: the reviewer's choice, or else the decision in the lake, with its person and time.
    verdictOf(pair) {
      const chosen = decisionOf(pairSubject(pair));
      if (chosen) return { verdict: chosen.verdict, isNew: true };
      const earlier = pastAbout(...idsOf(pair));
      return earlier?.verdict ? { ...earlier, isNew: false } : null;
    },
    keptOf(pair) {
      const chosen = decisionOf(keeperSubject(pair))?.left_id;
      return chosen ?? idsOf(pair).find((id) => pastAbout(id, id)?.verdict === "keep_this") ?? null;
    },
    decide: (pair, verdict) => change(pair, [[pairSubject(pair), { decision: makeDecision(pair, verdict) }]]),
    // To keep a video says that the other one is its duplicate, so both are decided.
    keep(pair, side) {
      const kept = { decision: { left_id: idsOf(pair)[side], verdict: "keep_this" }, on: pairSubject(pair) };
      change(pair, [
        [pairSubject(pair), { decision: makeDecision(pair, "duplicate") }],
        [keeperSubject(pair), kept],
      ]);
    },
    skip: (pair) => change(pair, [[pairSubject(pair), { ...choices.get(pairSubject(pair)), isSkipped: true }]]),
    // Withdraws what was chosen on this pair, and nothing that was chosen on another one.
    withdraw(pair) {
      const subjects = [pairSubject(pair), keeperSubject(pair)];
      const withdrawn = subjects.filter((subject, place) => {
        return decisionOf(subject) && (place === 0 || choices.get(subject).on === pairSubject(pair));
      });
      if (withdrawn.length) change(pair, withdrawn.map((subject) => [subject, { decision: null }]));
      return withdrawn.length > 0;
    },
    // Undoes the last step and returns the subject of its pair; null if there is none.
    undo() {
      load();
      const step = steps.pop();
      if (!step) return null;
      set(step.before.map(([subject, choice]) => [subject, choice ?? { decision: null }]));
      return step.pair;
    },
    clear() {
      set([...choices.keys()].map((subject) => [subject, { decision: null }]));
      steps = [];
      store();
    },
    count: () => listNew().length,
    lines: () =>
      listNew().map((decision) => {
        return `${toAscii(JSON.stringify({ ...(sample && { sample_id: sample }), ...decision, note }))}\n`;
      }),
  };
};
