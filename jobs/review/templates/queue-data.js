// Receives the pairs and the earlier decisions from the data files that the page loads next.
"use strict";

const ndvr = { pairs: [], past: [] };
ndvr.addPairs = (pairs) => pairs.forEach((pair) => ndvr.pairs.push(pair));
ndvr.addDecisions = (decisions) => decisions.forEach((decision) => ndvr.past.push(decision));
