// Codes that people type, checked where they are typed: the slip's (as proto/model/slip.c makes them) and the citizen number.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fault, grouped, letters } from "../../../reader/web/src/patient/slip.js";
import { read, tidy } from "../../../gateway/desk/web/src/citizen_id.js";

const MADE = ["AC9E-R1FW-WT9N-6RDC", "0GJZ-VAEW-48PG-1S6G", "QGZY-3G9X-8TTY-BJQA"]; // by slip_new()
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

test("a code that the gateway made is taken, however it is typed", () => {
  for (const code of MADE) {
    for (const typed of [code, code.toLowerCase(), code.replace(/-/g, ""), code.replace(/-/g, " "), code.replace(/0/g, "o").replace(/1/g, "l"), code.replace(/A/g, "A")])
      assert.equal(fault(typed), "", typed);
    assert.equal(grouped(letters(code)), code);
  }
});

test("one wrong letter, or two that changed places, is noticed before anything is asked", () => {
  const code = letters(MADE[0]);
  for (let i = 0; i < code.length; i++) {
    for (const letter of ALPHABET)
      if (letter !== code[i]) assert.equal(fault(code.slice(0, i) + letter + code.slice(i + 1)), "code_wrong", `${letter} at ${i}`);
    for (let j = i + 1; j < code.length; j++) {
      const swapped = [...code];
      [swapped[i], swapped[j]] = [swapped[j], swapped[i]];
      if (code[i] !== code[j]) assert.equal(fault(swapped.join("")), "code_wrong", `${i} and ${j}`);
    }
  }
});

test("what can be no code is told by what is wrong with it", () => {
  const rows = [["", "code_length"], ["AC9E-R1FW", "code_length"], [`${MADE[0]}7`, "code_length"], ["UC9E-R1FW-WT9N-6RDC", "code_sign"], ["取报告", "code_sign"]];
  for (const [typed, wanted] of rows) assert.equal(fault(typed), wanted, typed);
});

test("a citizen number tells birth and sex, and what is mistyped in it", () => {
  const today = new Date("2026-11-22");
  const rows = [
    ["11010519491231002X", { birth: "1949-12-31", sex: "F" }],
    ["11010519491231002x", { birth: "1949-12-31", sex: "F" }],
    ["110101196205172629", { birth: "1962-05-17", sex: "F" }],
    ["110101 19850307 2617", { birth: "1985-03-07", sex: "M" }],
    ["", {}],
    ["110105194912310021", { fault: "id_check" }],
    ["110105194902300021", { fault: "id_birth" }],
    ["110105203001010021", { fault: "id_birth" }],
    ["1101051949123100", { fault: "id_length" }],
    ["11010519491231OO2X", { fault: "id_sign" }],
  ];
  for (const [typed, wanted] of rows) assert.deepEqual(read(typed, today), wanted, typed);
  assert.equal(tidy("11010519491231002X"), "11010519491231002X");
});
