// slip.js - the code on a slip as somebody types it, checked before anything is asked of the server. The rules are those
// of proto/model/slip.h: 16 letters of Crockford's base 32, the last one a sum over GF(32).
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LETTERS = 16;

const doubled = (v) => ((v << 1) & 31) ^ (v & 16 ? 5 : 0);

// Case, hyphens, blanks and full-width forms do not matter; O is 0, I and L are 1.
export function letters(typed) {
  return typed.normalize("NFKC").toUpperCase().replace(/[\s\-‐-―]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");
}

export const grouped = (code) => code.replace(/(.{4})(?=.)/g, "$1-");

// "" when it can be a code, else the word for what is wrong.
export function fault(typed) {
  const code = letters(typed);
  const values = Array.from(code, (letter) => ALPHABET.indexOf(letter));
  if (values.indexOf(-1) >= 0) return "code_sign";
  if (code.length !== LETTERS) return "code_length";
  return values.reduce((sum, v) => doubled(sum) ^ v, 0) === 0 ? "" : "code_wrong";
}
