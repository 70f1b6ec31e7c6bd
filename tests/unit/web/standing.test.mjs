// How much of a study is here, as a doctor reads it: "all of it" is said of all of it only.
import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";

const { standingOf } = await import(join(new URL("../../..", import.meta.url).pathname, "reader/web/src/staff/reading/standing.js"));

const rows = [
  { name: "the list is open", s: { whole: 3, offered: 3, expected: null, announced: null, onTheWay: 0 }, word: "rd_standing_open", due: 3 },
  { name: "5 of 30 are here", s: { whole: 5, offered: 30, expected: 30, announced: null, onTheWay: 25 }, word: "rd_standing_part", due: 30 },
  { name: "a device announced one more", s: { whole: 5, offered: 5, expected: 5, announced: 6, onTheWay: 0 }, word: "rd_standing_part", due: 6 },
  { name: "the last is being read", s: { whole: 5, offered: 5, expected: 5, announced: null, onTheWay: 1 }, word: "rd_standing_part", due: 5 },
  { name: "all are here, none announced", s: { whole: 30, offered: 30, expected: 30, announced: null, onTheWay: 0 }, word: "rd_standing_whole", due: 30 },
  { name: "all are here, as announced", s: { whole: 30, offered: 30, expected: 30, announced: 30, onTheWay: 0 }, word: "rd_standing_whole", due: 30 },
  { name: "two that no list names are here, and two of the list are not", s: { whole: 6, offered: 6, expected: 6, missing: 2, announced: null, onTheWay: 0 }, word: "rd_standing_part", due: 8 },
  { name: "one is aside and two are lost", s: { whole: 3, offered: 3, expected: 6, missing: 2, announced: null, onTheWay: 0 }, word: "rd_standing_part", due: 6 },
];

for (const row of rows) test(`all is here only when it is: ${row.name}`, () => assert.deepEqual(standingOf(row.s), { word: row.word, due: row.due }));
