// tags.js - values out of DICOM JSON (PS3.18 annex F). A missing or empty attribute is undefined, "" or [].
export const all = (d, tag) => d?.[tag]?.Value ?? [];
export const first = (d, tag) => all(d, tag)[0];
export const text = (d, tag) => String(first(d, tag) ?? "");
export const number = (d, tag) => {
  const value = Number(first(d, tag));
  return first(d, tag) === undefined || Number.isNaN(value) ? undefined : value;
};
export const numbers = (d, tag) => all(d, tag).map(Number).filter((value) => !Number.isNaN(value));

// A name as it is shown: the Han form if there is one, without carets.
export function personName(d, tag) {
  const name = first(d, tag);
  const form = name?.Ideographic || name?.Alphabetic || "";
  return form.replace(/\^+/g, name?.Ideographic ? "" : " ").trim();
}
