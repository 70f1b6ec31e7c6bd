// correct.js - what was mistyped at registering is put right. The record is fetched whole and sent whole, with the revision
// that was shown: two people at once lose no word of each other's.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { read as readCitizenId, tidy } from "./citizen_id.js";
import { Dialog, Field, Work, Wrong } from "./parts.js";
import { isPhone, MODALITIES, plainDay, plainPhone } from "./people.js";
import { get, post } from "./state.js";
import { say } from "./words.js";

function faultOf(f, seen) {
  if (f.name.trim() === "") return "need_name";
  if (seen.complaint && f.complaint.trim() === "") return "need_complaint";
  const { fault } = readCitizenId(f.citizen_id);
  if (fault) return fault;
  return f.phone.trim() !== "" && !isPhone(f.phone) ? "bad_phone" : "";
}

export function Correct({ r, onClose }) {
  const [seen, setSeen] = useState(null);
  const [fields, setFields] = useState(null);
  const [wrong, setWrong] = useState("");
  const look = async () => {
    const now = await get(`registrations/${r.registration}`);
    setSeen(now);
    setFields({ name: now.name, citizen_id: now.citizen_id, sex: now.sex, birth: plainDay(now.birth), phone: now.phone, modality: now.modality, complaint: now.complaint, history: now.history });
  };
  useEffect(() => {
    look().catch(() => setWrong(say("offline")));
  }, []);
  const on = (name) => (value) => setFields((old) => ({ ...old, [name]: value }));
  const onId = (typed) => {
    const id = readCitizenId(typed);
    setFields((old) => ({ ...old, citizen_id: typed, ...(id.birth ? { birth: id.birth, sex: id.sex } : {}) }));
  };
  const save = async () => {
    const fault = faultOf(fields, seen);
    setWrong(fault && say(fault));
    if (fault) return;
    try {
      await post(`registrations/${r.registration}`, { modality: fields.modality, complaint: fields.complaint.trim(), history: fields.history.trim(), revision: seen.revision,
        name: fields.name.trim(), citizen_id: tidy(fields.citizen_id), sex: fields.sex, birth: fields.birth.replace(/-/g, ""), phone: plainPhone(fields.phone) });
      onClose();
    } catch (error) {
      if (error.status === 409) await look();
      throw error;
    }
  };
  return html`<${Dialog} title=${say("correct_title")} onClose=${onClose} data-correct=${r.registration}>
    <p class="quiet">${say("correct_how", r.registration)}</p>
    <${Wrong}>${wrong}<//>
    ${fields && html`<div class="columns">
      <${Field} label=${say("name")} name="correct-name" value=${fields.name} onInput=${on("name")} autocomplete="off" maxlength="64" />
      <${Field} label=${say("citizen_id")} name="correct-citizen_id" value=${fields.citizen_id} onInput=${onId} autocomplete="off" maxlength="24" />
      <${Field} label=${say("sex")} name="correct-sex" value=${fields.sex} onInput=${on("sex")}
        options=${[["", say("choose")], ["M", say("male")], ["F", say("female")], ["O", say("sex_other")]]} />
      <${Field} label=${say("birth")} name="correct-birth" kind="date" value=${fields.birth} onInput=${on("birth")} />
      <${Field} label=${say("phone")} hint=${say("correct_phone")} name="correct-phone" kind="tel" value=${fields.phone} onInput=${on("phone")} autocomplete="off" maxlength="24" />
      <${Field} label=${say("modality")} name="correct-modality" value=${fields.modality} onInput=${on("modality")}
        options=${[...new Set([...MODALITIES, seen.modality])].map((m) => [m, m ? say(`modality_${m}`).replace("modality_", "") : say("any_modality")])} />
      <${Field} label=${say("complaint")} name="correct-complaint" value=${fields.complaint} onInput=${on("complaint")} maxlength="500" />
      <${Field} label=${say("history")} name="correct-history" value=${fields.history} onInput=${on("history")} maxlength="500" />
    </div>`}
    <div class="quick"><${Work} class="primary" disabled=${!fields} onError=${setWrong} onClick=${save}>${say("correct_do")}<//>
      <button type="button" onClick=${onClose}>${say("shut")}</button></div><//>`;
}
