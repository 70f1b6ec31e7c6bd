// viewer.mjs - what the reading page shows, read from its canvas and compared with what the DICOM file says. For scenarios
// to import; page is a page of playwright-core at #/reads/N.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export const CHROMIUM = {
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"],
};
// Of the 256 greys. The right picture is within 0.2 on average and 1.2 for 99 % (interpolation by the graphics driver);
// half a pixel of shift makes that 2.9 and 52, a wrong window or image more.
export const TOLERANCE = { mean: 0.5, of99: 3 };

const paneOf = (which) => `.pane[data-pane="${which}"]`;

// Until proved pixels of full quality are on the screen (of this instance, when one is named).
export async function waitShown(page, { which = 0, sop, frame, timeout = 30000 } = {}) {
  const instance = sop ? `[data-sop="${sop}"]` : "";
  const number = frame ? `[data-frame="${frame}"]` : "";
  await page.waitForSelector(`${paneOf(which)} .canvas[data-quality="full"]${instance}${number}`, { timeout });
}

// The grey (mean of red, green, blue) of every pixel of the pane's canvas, and where image pixels lie on it.
export async function readPane(page, which = 0) {
  const shown = await page.evaluate((selector) => {
    const box = document.querySelector(`${selector} .canvas`);
    const canvas = box.querySelector("canvas");
    const { width, height } = canvas;
    const rgba = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    const grey = new Array(width * height);
    for (let i = 0; i < grey.length; i++) grey[i] = Math.round((rgba[4 * i] + rgba[4 * i + 1] + rgba[4 * i + 2]) / 3);
    return { sop: box.dataset.sop, frame: Number(box.dataset.frame), quality: box.dataset.quality, width, height,
      matrix: box.dataset.matrix.split(" ").map(Number), scale: width / box.clientWidth, grey };
  }, paneOf(which));
  return shown;
}

// What the file says: values in modality units, its own window.
export function imageOf(file, frame = 1) {
  const out = execFileSync("/usr/bin/python3", [fileURLToPath(new URL("../pixels.py", import.meta.url)), file, String(frame)], { maxBuffer: 1 << 29 });
  const end = out.indexOf(10);
  const bytes = out.subarray(end + 1);
  return { ...JSON.parse(out.subarray(0, end)), values: new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)) };
}

// PS3.3 C.11.2.1.2.1, linear.
function windowed(value, { center, width }) {
  const share = (value - (center - 0.5)) / (width - 1) + 0.5;
  return 255 * Math.min(1, Math.max(0, share));
}

function bilinear({ values, columns, rows }, x, y) {
  const [i, j] = [Math.floor(x), Math.floor(y)];
  if (i < 0 || j < 0 || i + 1 >= columns || j + 1 >= rows) return null;
  const [u, v] = [x - i, y - j];
  const at = (a, b) => values[(j + b) * columns + i + a];
  return (at(0, 0) * (1 - u) + at(1, 0) * u) * (1 - v) + (at(0, 1) * (1 - u) + at(1, 1) * u) * v;
}

// How far what is shown is from what the image in that window must look like, in greys: {samples, mean, of99, contrast}.
// contrast is the spread of the expected greys: a black picture proves nothing.
export function compare(shown, image, { window = image.window, isInverted = image.isInverted, step = 3 } = {}) {
  const [a, b, c, d, e, f] = shown.matrix.map((value) => value * shown.scale);
  const det = a * d - b * c;
  const errors = [];
  let sum = 0;
  let squares = 0;
  for (let py = 2; py < shown.height - 2; py += step) {
    for (let px = 2; px < shown.width - 2; px += step) {
      const [dx, dy] = [px + 0.5 - e, py + 0.5 - f];
      const value = bilinear(image, (d * dx - c * dy) / det, (a * dy - b * dx) / det);
      if (value === null) continue;
      const grey = windowed(value, window);
      const expected = isInverted ? 255 - grey : grey;
      errors.push(Math.abs(expected - shown.grey[py * shown.width + px]));
      sum += expected;
      squares += expected * expected;
    }
  }
  errors.sort((x, y) => x - y);
  const n = errors.length;
  return { samples: n, mean: errors.reduce((x, y) => x + y, 0) / n, of99: errors[Math.floor(0.99 * n)],
    contrast: Math.sqrt(Math.max(0, squares / n - (sum / n) ** 2)) };
}

// Throws, with figures, unless the pane shows this image in this window.
export async function expectImage(page, file, options = {}) {
  const { which = 0, ...rest } = options;
  const image = imageOf(file, rest.frame);
  await waitShown(page, { which, sop: image.sop, frame: rest.frame });
  const found = compare(await readPane(page, which), image, rest);
  const said = `${found.samples} pixels, mean ${found.mean.toFixed(2)}, 99 % within ${found.of99.toFixed(1)} of 256 greys, contrast ${found.contrast.toFixed(0)}`;
  if (found.samples < 2000 || found.contrast < 5) throw new Error(`too little to compare: ${said}`);
  if (!(found.mean <= TOLERANCE.mean) || !(found.of99 <= TOLERANCE.of99)) throw new Error(`not the expected picture: ${said}`);
  return said;
}

// A measure with the mouse between two points given in image pixels; returns the words of the last measure in the list.
export async function measure(page, key, from, to, which = 0) {
  const { matrix: [a, b, c, d, e, f] } = await readPane(page, which);
  const box = await page.locator(`${paneOf(which)} .canvas`).boundingBox();
  const at = ([x, y]) => [box.x + a * x + c * y + e, box.y + b * x + d * y + f];
  const before = await page.locator(".measures li").count();
  await page.locator(paneOf(which)).focus();
  await page.keyboard.press(key);
  await page.mouse.move(...at(from));
  await page.mouse.down();
  await page.mouse.move(...at([(from[0] + to[0]) / 2, (from[1] + to[1]) / 2]), { steps: 3 });
  await page.mouse.move(...at(to), { steps: 3 });
  await page.mouse.up();
  await page.waitForFunction((n) => document.querySelectorAll(".measures li span").length > n &&
    [...document.querySelectorAll(".measures li span")].at(-1).textContent !== "", before, { timeout: 10000 });
  return (await page.locator(".measures li span").allInnerTexts()).at(-1);
}

// Which picture a pane is at: {index from 1, count}.
export async function placeOf(page, which = 0) {
  const [index, count] = (await page.locator(`${paneOf(which)} .place`).innerText()).split("/").map(Number);
  return { index, count };
}
