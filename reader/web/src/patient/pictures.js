// pictures.js - the images on a phone: one at a time, by swipe, slider or button; never without "not for diagnosis".
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../shared/api.js";
import { Notice, sentence } from "../shared/components.js";
import { say } from "../shared/words.js";

const SWIPE_PX = 40;
const address = (image) => `/api/v1/images/${image.n}.jpg`;

// One finger across the picture changes it; two fingers, and up or down, are the browser's.
function useSwipe(step) {
  const start = useRef(null);
  return {
    onTouchStart: (event) => {
      start.current = event.touches.length === 1 ? event.touches[0] : null;
    },
    onTouchEnd: (event) => {
      if (!start.current) return;
      const end = event.changedTouches[0];
      const dx = end.clientX - start.current.clientX;
      const dy = end.clientY - start.current.clientY;
      const isZoomed = window.visualViewport && window.visualViewport.scale > 1.05;
      if (!isZoomed && Math.abs(dx) > SWIPE_PX && Math.abs(dx) > 2 * Math.abs(dy)) step(dx < 0 ? 1 : -1);
      start.current = null;
    },
  };
}

function Picture({ images }) {
  const [at, setAt] = useState(0);
  const [isFailed, setFailed] = useState(false);
  const show = (i) => {
    setFailed(false);
    setAt(Math.min(images.length - 1, Math.max(0, i)));
  };
  const swipe = useSwipe((step) => show(at + step));
  useEffect(() => {
    [at + 1, at - 1, at + 2].filter((i) => images[i]).forEach((i) => {
      new Image().src = address(images[i]);
    });
  }, [at]);
  const label = say("image_of", { at: at + 1, of: images.length });
  return html`<figure class="picture">
    <p class="warning">${say("not_diagnostic")}</p>
    <div class="stage" ...${swipe}>
      <img src=${address(images[at])} alt=${`${images[at].label || ""} ${label}`} onLoad=${() => setFailed(false)} onError=${() => setFailed(true)} draggable=${false} />
      ${isFailed && html`<p class="failed" role="alert">${say("image_failed")}</p>`}
    </div>
    <figcaption><b>${label}</b> ${images[at].label && html`<span class="quiet">${images[at].label}</span>`}</figcaption>
    ${images.length > 1 && html`<input type="range" min="1" max=${images.length} value=${at + 1} aria-label=${say("images")} aria-valuetext=${label}
        onInput=${(event) => show(Number(event.target.value) - 1)} />
      <div class="pair">
        <button type="button" onClick=${() => show(at - 1)} disabled=${at === 0}>‹ ${say("previous")}</button>
        <button type="button" onClick=${() => show(at + 1)} disabled=${at === images.length - 1}>${say("next")} ›</button>
      </div>
      <p class="quiet centre">${say("swipe")}</p>`}
  </figure>`;
}

export function Pictures() {
  const [images, setImages] = useState(null);
  const [wrong, setWrong] = useState("");
  useEffect(() => {
    get("images").then((answer) => setImages(answer.images), (error) => setWrong(sentence(error)));
  }, []);
  return html`<section aria-labelledby="images">
    <h2 id="images">${say("images")}</h2>
    <${Notice} kind="bad">${wrong}<//>
    ${images && (images.length > 0 ? html`<${Picture} images=${images} />` : html`<p class="quiet">${say("no_images")}</p>`)}
  </section>`;
}
