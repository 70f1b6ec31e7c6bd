// reading_page.js - one read: images beside the report. The imaging library comes when images are first shown; the report
// can be read and written without it.
import { html } from "htm/preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { effect } from "@preact/signals";
import { follow } from "../../shared/api.js";
import { Dialog, Notice, sentence } from "../../shared/components.js";
import { beforeSignOut, user } from "../session.js";
import { LightBox } from "../../viewer/lightbox.js";
import { isForImages, KEYS, keyName, rowOf, shownKeys } from "../../viewer/keys.js";
import { Study } from "../../viewer/load.js";
import { EcgSheet } from "../../viewer/ecg_view.js";
import { Document } from "../../viewer/documents.js";
import { Measures, PaneView, SeriesList, ToolBar } from "../../viewer/stage.js";
import "../../viewer/viewer_words.js";
import { say } from "./reading_words.js";
import { Editor, holdUp } from "./editor.js";
import { Clinical, Course, Head, PriorReport, Priors, useComing } from "./around.js";
import { latest, ReportState } from "./report_state.js";
import { Doubts } from "./doubts.js";
import { Calls } from "./calls.js";
import { Raise } from "./urgency.js";
import "./reading.css";

function KeyHelp({ onClose }) {
  const groups = [...new Set(KEYS.map((row) => row.group))];
  return html`<${Dialog} title=${say("key_list")} onClose=${onClose}>
    <div class="keyhelp">${groups.map((group) => html`<section><h3>${say(group)}</h3><dl>${KEYS.filter((row) => row.group === group).map((row) => html`
      <div><dt>${shownKeys(row).map((key) => html`<kbd>${key}</kbd> `)}</dt><dd>${say(row.word)}</dd></div>`)}</dl></section>`)}
      <section><h3>${say("rd_editor_keys")}</h3><p>${say("rd_keys_hint")}</p></section></div>
    <p class="buttons"><button type="button" class="primary" onClick=${onClose}>${say("close")}</button></p>
  <//>`;
}

// What stands in the middle: panes of images, or the sheet or document that was chosen.
function Middle({ box, chosen, study, prior }) {
  const stacks = box.stackLists[0].value;
  const standing = study.standing.value;
  const status = study.error.value;
  const hasImages = stacks.some((stack) => stack.kind === "images");
  if (status === 404 || status === 403) return html`<p class="still" role="alert">${say(`study_${status}`)}</p>`;
  if (!chosen) return html`<p class="still" role="status">${standing ? say(standing.offered > 0 ? "waiting_study" : "no_images") : say("loading")}</p>`;
  const onShown = (sop) => box.noteShown(sop);
  return html`
    ${status !== 0 && html`<${Notice} kind="warn">${say("study_lost")}<//>`}
    ${chosen.kind === "ecg" && html`<${EcgSheet} key=${chosen.id} study=${study.uid} stack=${chosen} onShown=${onShown} />`}
    ${chosen.kind !== "ecg" && chosen.kind !== "images" && html`<${Document} key=${chosen.id} study=${study.uid} stack=${chosen} onShown=${onShown} />`}
    ${hasImages && html`<div class="panes" hidden=${chosen.kind !== "images"}>
      <${PaneView} box=${box} which=${0} standing=${standing} />
      ${prior && html`<${PaneView} key=${prior.uid} box=${box} which=${1} standing=${prior.standing.value} />`}
    </div>`}`;
}

// The study's list into the light box, whenever it changes.
function useStacks(box, which, study) {
  useEffect(() => {
    if (!study) return undefined;
    const stop = effect(() => {
      const stacks = study.stacks.value;
      box.setStacks(which, stacks);
    });
    study.start();
    return () => {
      stop();
      study.stop();
    };
  }, [study]);
}

function useKeys(box) {
  useEffect(() => {
    const pressed = (event) => {
      if (!isForImages(event)) return;
      if (box.cursorKey(event)) return event.preventDefault();
      const row = rowOf(event);
      if (!row) return undefined;
      event.preventDefault();
      return row.run(box, keyName(event));
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [box]);
}

function Reading({ state, study, box }) {
  const [prior, setPrior] = useState(null); // {study: Study, of: prior row}
  const [hasHelp, setHelp] = useState(false);
  const [describe, setDescribe] = useState(() => () => "");
  const root = useRef(null);
  const item = state.item.value;
  const toImages = () => root.current.querySelector(".pane.active, .sheet, .document")?.focus();
  const compare = (of) => setPrior((now) => (!of || now?.of.study === of.study ? null : { study: new Study(of.study), of }));
  box.onHelp = () => setHelp(true);
  box.onReport = () => root.current.querySelector("#report-findings")?.focus();
  box.onCompare = () => compare(prior ? null : item.priors?.[0]);
  box.onShown = (sop) => state.noteShown(sop);
  box.onOpened = (sop) => state.noteOpened(sop);
  box.onInsert = (text) => {
    const now = state.draft.fields.value.findings;
    if (state.report.value.may.write || state.report.value.may.review) state.draft.edit("findings", `${now}${now && !/[\n。]$/.test(now) ? "\n" : ""}${text}。`);
  };
  useStacks(box, 0, study);
  useStacks(box, 1, prior?.study);
  useKeys(box);
  useEffect(() => {
    if (!prior) box.setStacks(1, []);
    box.wanted[1].value = null;
  }, [prior]);
  useEffect(() => {
    if (box.measures.value.length === 0) return;
    import("../../viewer/watch_measures.js").then((m) => setDescribe(() => (measure) => m.describe(measure, box.panes.filter(Boolean))));
  }, [box.measures.value.length > 0]);
  const stacks = box.stackLists[0].value;
  const chosen = stacks.find((stack) => stack.id === box.wanted[0].value) ?? stacks[0];
  const standing = study.standing.value;
  const coming = useComing(study.uid, standing && standing.onTheWay > 0);
  const isMoving = !coming || coming.seconds_left >= 0; // until it is known
  const held = holdUp(standing, box.lookedAt.value.size, box.shown.value.size, state.draft.fields.value, item.has_open_doubts, isMoving);
  return html`<main id="content" class="reading" tabindex="-1" ref=${root}>
    <${Head} item=${item} standing=${standing} coming=${coming} looked=${latest(state.report.value)?.looked} />
    <div class="left">
      <${SeriesList} box=${box} which=${0} study=${study.uid} title=${say("series_list")} />
      <${Priors} item=${item} chosen=${prior?.of.study} onChoose=${compare} />
      ${prior && html`<label class="link"><input type="checkbox" checked=${Boolean(box.link.value)} onChange=${() => box.toggleLink()} /> ${say("linked")} <kbd>L</kbd></label>
        <${SeriesList} box=${box} which=${1} study=${prior.study.uid} title=${say("prior_study")} />`}
    </div>
    <div class="middle">
      ${(chosen?.kind ?? "images") === "images" && html`<${ToolBar} box=${box} onHelp=${() => setHelp(true)} />`}
      <${Middle} box=${box} chosen=${chosen} study=${study} prior=${prior?.study} />
      <p class="word" role="status">${box.message.value ? say(box.message.value) : ""}</p>
    </div>
    <div class="right">
      <${Doubts} item=${item} state=${state} />
      <${Clinical} item=${item} />
      <div class="acts"><${Raise} item=${item} /><${Calls} item=${item} standing=${standing} /></div>
      ${chosen?.kind === "images" && html`<${Measures} box=${box} describe=${describe} />`}
      <${Editor} state=${state} standing=${standing} held=${held} isMoving=${coming?.seconds_left >= 0} onLeave=${toImages} />
      ${prior && html`<${PriorReport} key=${prior.of.study} of=${prior.of} />`}
      <${Course} item=${item} />
    </div>
    ${hasHelp && html`<${KeyHelp} onClose=${() => setHelp(false)} />`}
  </main>`;
}

export default function ReadingPage({ read }) {
  const state = useMemo(() => new ReportState(read, user.value.login), [read]);
  const box = useMemo(() => new LightBox(), [read]);
  const uid = state.item.value?.study;
  const study = useMemo(() => (uid ? new Study(uid) : null), [uid]);
  const here = useRef(null);
  here.current = study;
  // The imaging library comes while the study's list is being asked for; an ECG does without it.
  const hasImages = state.item.value ? !["ECG", "SR", "DOC"].includes(state.item.value.modality) : false;
  useEffect(() => {
    if (hasImages) import("../../viewer/pane.js").then((module) => module.warmUp()).catch(() => null);
  }, [hasImages]);
  useEffect(() => {
    state.load();
    const line = follow("worklist/stream", () => {
      if (state.item.value) state.refresh();
      here.current?.hurry();
    });
    const leave = () => state.draft.keepHere();
    addEventListener("pagehide", leave);
    const keep = () => state.draft.flush();
    beforeSignOut.add(keep);
    return () => {
      beforeSignOut.delete(keep);
      line.stop();
      removeEventListener("pagehide", leave);
      state.stop();
      box.stopCine();
      if (box.hasPanes) import("../../viewer/engine.js").then((engine) => engine.forget());
    };
  }, [read]);
  const error = state.error.value;
  if (error) return html`<main id="content" tabindex="-1"><${Notice} kind="bad">${error.status === 404 ? say("rd_read_404") : sentence(error)}<//><p><a href="#/worklist">${say("rd_to_list")}</a></p></main>`;
  if (!study || !state.report.value) return html`<main id="content" tabindex="-1" aria-busy="true"><p class="quiet">${say("loading")}</p></main>`;
  return html`<${Reading} state=${state} study=${study} box=${box} />`;
}
