// How much of a study is here, as a doctor reads it: "all of it" is said of all of it only.
import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";

const { awaitedOf, standingOf } = await import(join(new URL("../../..", import.meta.url).pathname, "reader/web/src/staff/reading/standing.js"));

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

const lacking = [
  { name: "the list is open", s: { whole: 3, offered: 3, expected: null, announced: 9 }, n: 0 },
  { name: "nothing was announced", s: { whole: 3, offered: 3, expected: 3, announced: null }, n: 0 },
  { name: "two were announced", s: { whole: 3, offered: 3, expected: 3, announced: 5 }, n: 2 },
  { name: "two were announced, one will not come", s: { whole: 3, offered: 3, expected: 3, announced: 5 }, absent: { images: 1 }, n: 1 },
  { name: "two were announced, both are lost", s: { whole: 3, offered: 3, expected: 3, announced: 5, gone: { images: 2 } }, n: 0 },
  { name: "one was begun", s: { whole: 3, offered: 4, expected: 3, announced: null }, n: 1 },
  { name: "one was begun, two announced", s: { whole: 3, offered: 4, expected: 3, announced: 5 }, n: 2 },
];

for (const row of lacking) test(`who signs knows how many are missing: ${row.name}`, () => assert.equal(awaitedOf(row.s, row.absent ?? null), row.n));
