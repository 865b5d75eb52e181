// Filters the pairs by relation, reason, owner and probability, and finds pairs by id or title.
"use strict";

ndvr.makeFilter = (form, pairs, onChange) => {
  const { make } = ndvr;
  const values = (list) => [...new Set(list.filter(Boolean))].sort();
  const field = (name) => form?.elements[name]?.value.trim() ?? "";

  function fill(name, choices) {
    form.elements[name].append(...choices.map((choice) => make("option", { value: choice }, choice)));
  }

  function isWithin(pair) {
    const [low, high] = [field("low"), field("high")].map((text) => (text === "" ? null : Number(text)));
    if (low === null && high === null) return true;
    if (pair.probability === null) return false;
    return (low === null || pair.probability >= low) && (high === null || pair.probability <= high);
  }

  function matches(pair) {
    const wanted = field("find").toLowerCase();
    const texts = pair.videos.flatMap((video) => [video.id, video.title ?? ""]);
    if (wanted && ![...texts, pair.cluster ?? ""].some((text) => text.toLowerCase().includes(wanted))) return false;
    if (field("relation") && pair.relation !== field("relation")) return false;
    if (field("reason") && !pair.reasons.includes(field("reason"))) return false;
    if (field("owner") && !pair.videos.some((video) => video.owner === field("owner"))) return false;
    return isWithin(pair);
  }

  if (form) {
    fill("relation", values(pairs.map((pair) => pair.relation)));
    fill("reason", values(pairs.flatMap((pair) => pair.reasons ?? [])));
    fill("owner", values(pairs.flatMap((pair) => pair.videos.map((video) => video.owner))));
    form.addEventListener("input", onChange);
    form.addEventListener("reset", () => setTimeout(onChange));
    form.addEventListener("submit", (event) => event.preventDefault());
  }
  return {
    matches,
    isActive: () => Boolean(form) && [...form.elements].some((input) => input.name && input.value.trim() !== ""),
    find(text) {
      form.reset();
      form.elements.find.value = text;
      onChange();
    },
  };
};
