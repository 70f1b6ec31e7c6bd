// people.js - how a registered patient is told in one line.
import { html } from "htm/preact";
import { Mark } from "./parts.js";
import { fullTime, knows, say } from "./words.js";

export const plainDay = (text) => (/^\d{8}$/.test(text || "") ? `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}` : text || "");

// As it is dialled: no blanks, no dashes, no full-width digits.
export const plainPhone = (text) => text.normalize("NFKC").replace(/[\s-]/g, "");
export const isPhone = (text) => /^\+?\d{5,15}$/.test(plainPhone(text));

export const MODALITIES = ["DX", "CT", "MR", "US", "MG", "ECG"];

// Years since a birth date; months below two years.
export function ageOf(birth, today = new Date()) {
  const day = new Date(plainDay(birth));
  if (Number.isNaN(day.getTime())) return "";
  const months = (today.getFullYear() - day.getFullYear()) * 12 + today.getMonth() - day.getMonth() - (today.getDate() < day.getDate() ? 1 : 0);
  return months < 24 ? say("age_months", months) : say("age_years", Math.floor(months / 12));
}

export const sexWord = (sex) => say({ M: "male", F: "female" }[sex] || "sex_other");
// One registration and no other: two people of one name, or one person registered twice, differ in birth date, number or time.
export const personFull = (r) => [r.name && [r.name, sexWord(r.sex), plainDay(r.birth)].filter(Boolean).join(" "), r.registration].filter(Boolean).join(" · ");
const personOption = (r) => [personFull(r), r.modality, fullTime(r.created_us), r.complaint].filter(Boolean).join(" · ");

// What is chosen from wherever somebody says whose it is: those who wait for their images come first.
export function PeopleOptions({ registrations }) {
  const group = (word, list) => list.length > 0 && html`<optgroup label=${say(word)}>${list.map((r) => html`<option value=${r.registration}>${personOption(r)}</option>`)}</optgroup>`;
  return html`${group("people_waiting", registrations.filter((r) => !r.study))}${group("people_have", registrations.filter((r) => r.study))}`;
}

// Nobody reads it any more: too late for an emergency.
export const isRead = (r) => ["signed", "amended", "withdrawn"].includes(r?.read_state);

const COLOURS = { signed: "green", amended: "green", withdrawn: "red", unagreed: "red" };

export function readState(r) {
  const word = `read_${r.read_state}`;
  return r.read_state && knows(word) ? html`<${Mark} colour=${COLOURS[r.read_state] || "grey"}>${say(word)}<//>` : null;
}
