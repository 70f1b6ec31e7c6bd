// standing.js - how much of a study is here, as the reading page says it: "all of it" only when it is.
export function standingOf({ whole, offered, expected, missing, announced, onTheWay }) {
  const due = Math.max(expected ?? offered, announced ?? 0, whole + (missing ?? 0));
  if (expected === null) return { word: "rd_standing_open", due };
  return { word: whole >= due && onTheWay === 0 ? "rd_standing_whole" : "rd_standing_part", due };
}
