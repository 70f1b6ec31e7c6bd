// sync.js - linked scrolling of two stacks of different studies: by place in the patient where both have one, else by
// number. cornerstone's own synchroniser links only within one frame of reference.

const isPlaced = (items) => items.length > 0 && items.every((item) => item.along !== undefined);

function isParallel(a, b) {
  const [x, y] = [a.orientation, b.orientation];
  return x.length === 6 && y.length === 6 && x.every((value, i) => Math.abs(value - y[i]) < 0.2);
}

function nearest(items, wanted) {
  let best = 0;
  for (let i = 1; i < items.length; i++)
    if (Math.abs(items[i].along - wanted) < Math.abs(items[best].along - wanted)) best = i;
  return best;
}

// Where the other stack stands before anybody aligned it: the same place in one frame of reference, else the same share
// of the way through.
export function firstGuess(from, index, to) {
  const a = from.items[index];
  const b = to.items[0];
  if (a?.along !== undefined && isPlaced(to.items) && from.frameOfReference && from.frameOfReference === to.frameOfReference &&
    isParallel(a, b))
    return nearest(to.items, a.along);
  const share = from.items.length > 1 ? index / (from.items.length - 1) : 0;
  return Math.round(share * Math.max(0, to.items.length - 1));
}

// A link holds the distance between two pictures that lie side by side now.
export function linkAt(from, i, to, j) {
  const a = from.items[i];
  const b = to.items[j];
  const isByPlace = Boolean(a && b) && isPlaced(from.items) && isPlaced(to.items) && isParallel(a, b);
  return isByPlace ? { isByPlace, offset: b.along - a.along } : { isByPlace, offset: j - i };
}

// The index in `to` that belongs to `index` in `from`; the link was made from `from` to `to` (or is turned for the way back).
export function counterpart(link, from, index, to) {
  if (link.isByPlace && from.items[index]?.along !== undefined)
    return nearest(to.items, from.items[index].along + link.offset);
  return Math.min(Math.max(0, index + Math.round(link.offset)), to.items.length - 1);
}

export const turned = (link) => ({ ...link, offset: -link.offset });
