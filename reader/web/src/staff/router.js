// router.js - places after the # of the address, and the page for each. The reading page brings its imaging library
// along, so it is loaded when it is first opened.
const later = import.meta.glob("./*/*_page.js");

// A page is src/staff/NAME/NAME_page.js with a default export: a component that gets the parts of the pattern as props.
const load = (name) => later[`./${name}/${name}_page.js`];

export const pages = [
  { pattern: /^\/worklist$/, word: "worklist", to: "/worklist", roles: ["technician", "doctor", "reviewer", "administrator", "supervisor"], load: load("worklist") },
  { pattern: /^\/reads\/(?<read>\d+)$/, roles: ["technician", "doctor", "reviewer", "supervisor"], load: load("reading"), isDarkRoom: true },
  { pattern: /^\/orders$/, word: "orders", to: "/orders", roles: ["doctor", "reviewer"], load: load("orders") },
  { pattern: /^\/admin$/, word: "admin", to: "/admin", roles: ["administrator"], load: load("admin") },
  { pattern: /^\/supervision$/, word: "supervision", to: "/supervision", roles: ["supervisor"], load: load("supervision") },
  { pattern: /^\/account$/, roles: ["technician", "doctor", "reviewer", "administrator", "supervisor"], load: load("account") },
];

export function find(place) {
  for (const page of pages) {
    const match = page.pattern.exec(place.split("?")[0]);
    if (match) return { page, parts: match.groups || {} };
  }
  return null;
}
