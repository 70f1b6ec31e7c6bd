// citizen_id.js - the 18-sign citizen number while it is typed: its check sign, and the birth date and sex it holds. The
// gateway checks again (proto/model/citizen_id.h); this is for the person at the keyboard.
const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const SIGNS = "10X98765432";

export const tidy = (typed) => typed.normalize("NFKC").toUpperCase().replace(/[\s-]/g, "");

// {fault: word} or {birth: "YYYY-MM-DD", sex: "M" | "F"}; nothing typed is no fault.
export function read(typed, today = new Date()) {
  const id = tidy(typed);
  if (id === "") return {};
  if (!/^\d*X?$/.test(id)) return { fault: "id_sign" };
  if (id.length !== 18) return { fault: "id_length" };
  const birth = `${id.slice(6, 10)}-${id.slice(10, 12)}-${id.slice(12, 14)}`;
  const day = new Date(`${birth}T00:00:00Z`);
  if (Number.isNaN(day.getTime()) || day.toISOString().slice(0, 10) !== birth || day > today) return { fault: "id_birth" };
  const sum = WEIGHTS.reduce((total, weight, i) => total + weight * Number(id[i]), 0);
  if (SIGNS[sum % 11] !== id[17]) return { fault: "id_check" };
  return { birth, sex: Number(id[16]) % 2 === 1 ? "M" : "F" };
}
