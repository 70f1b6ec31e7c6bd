// standing.js - how much of a study is here, as the reading page says it: "all of it" only when it is.
// So many were announced, or begun, that no list names, and of which nobody said that they will not come: who signs without
// them says so, and the report names them (reader/compose/sign.c counts alike). absent: what the clinic said.
export function awaitedOf(standing, absent) {
  if (!standing || standing.expected === null) return 0;
  const gone = standing.gone?.images ?? 0;
  const announced = (standing.announced ?? 0) - standing.expected - gone - (absent?.images ?? 0);
  return Math.max(0, announced, standing.offered - standing.whole - gone);
}

export function standingOf({ whole, offered, expected, missing, announced, onTheWay }) {
  const due = Math.max(expected ?? offered, announced ?? 0, whole + (missing ?? 0));
  if (expected === null) return { word: "rd_standing_open", due };
  return { word: whole >= due && onTheWay === 0 ? "rd_standing_whole" : "rd_standing_part", due };
}
