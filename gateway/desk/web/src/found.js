// found.js - lists that the gateway cuts: who looks for somebody, or for more of them, is answered by the gateway.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { Field, sentence, Wrong } from "./parts.js";
import { post, state } from "./state.js";
import { say } from "./words.js";

export const PAGE = 200; // as many as the gateway lists at once

// asked: {text, skip}, or null: nobody asks. Asked again whenever something changed.
export function useFound(path, asked, change, setWrong) {
  const [found, setFound] = useState(null);
  useEffect(() => {
    let isOver = false;
    const take = (answer) => {
      if (isOver) return;
      setFound({ ...answer, asked });
      setWrong("");
    };
    if (asked) post(path, asked).then(take, (error) => isOver || setWrong(sentence(error)));
    return () => (isOver = true);
  }, [path, asked, change]);
  return asked && found?.asked === asked ? found : null;
}

export function Pages({ skip, listed, n, onGo }) {
  return html`<p class="pages"><span class="quiet" role="status">${n > 0 && say("orders_of", { from: Math.min(skip + 1, n), to: skip + listed, n })}</span>
    ${skip > 0 && html`<button type="button" onClick=${() => onGo(Math.max(0, skip - PAGE))}>${say("page_before")}</button>`}
    ${skip + listed < n && html`<button type="button" onClick=${() => onGo(skip + listed)}>${say("page_next")}</button>`}</p>`;
}

// What is typed, and asked for when somebody says so; an emptied field asks for nobody any more.
export function Find({ name, label, first = "", onGo }) {
  const [typed, setTyped] = useState(first);
  const type = (text) => {
    setTyped(text);
    if (!text) onGo("");
  };
  const find = (event) => {
    event.preventDefault();
    onGo(typed.trim());
  };
  return html`<form class="find" role="search" onSubmit=${find}>
    <${Field} label=${label} name=${name} kind="search" value=${typed} onInput=${type} autocomplete="off" maxlength="256" />
    <button type="submit">${say("orders_find_do")}</button></form>`;
}

// Whom to choose from: those that the state lists, and where that is not everybody, a field to look for the others.
export function useFinder(registrations, name) {
  const [asked, setAsked] = useState(null);
  const [wrong, setWrong] = useState("");
  const found = useFound("registrations/find", asked, state.value?.change, setWrong);
  const n = asked ? found?.registrations_n || 0 : state.value?.registrations_n || 0;
  const people = asked ? found?.registrations || [] : registrations;
  const isCut = (state.value?.registrations_n || 0) > registrations.length;
  return [people, isCut && html`<span class="finder"><${Find} name=${`who-${name}`} label=${say("people_find")} onGo=${(text) => setAsked(text ? { text, skip: 0 } : null)} />
    ${(!asked || found) && html`<span class="quiet" role="status">${asked && n === 0 ? say("orders_none_found") : n > people.length ? say("people_cut", { listed: people.length, n }) : say("people_found", n)}</span>`}<${Wrong}>${wrong}<//></span>`];
}
