// console.mjs PORT AE - what a console does, by dcmjs-dimse: asks its worklist for Wang*, begins the step, ends it with
// three images and dose, and tries what is not allowed. Prints a line of JSON: answers and statuses.
import { randomUUID } from "node:crypto";
import dimse from "dcmjs-dimse";
const { Client, Dataset, requests, constants, log } = dimse;
const [port, ae] = [Number(process.argv[2]), process.argv[3]];
const stepClass = "1.2.840.10008.3.1.2.3.3";
const uid = `2.25.${BigInt("0x" + randomUUID().replaceAll("-", ""))}`;
if (log?.level) log.level = "error";

function send(...list) {
  return new Promise((done, failed) => {
    const client = new Client(), answers = [];
    for (const request of list) {
      request.on("response", (r) => answers.push({ status: r.getStatus(), elements: r.getDataset()?.getElements() }));
      client.addRequest(request);
    }
    let isReleased = false; // dcmjs-dimse asks for release once more behind its own end of a C-FIND with matches
    client.on("associationReleased", () => { isReleased = true; });
    client.on("closed", () => done(answers));
    client.on("networkError", (e) => (isReleased ? done(answers) : failed(e)));
    client.on("associationRejected", failed);
    client.send("127.0.0.1", port, ae, "RADPOST");
  });
}
function step(kind, dataset, instance = uid) {
  const request = new requests[kind](stepClass, instance);
  request.setDataset(new Dataset(dataset));
  return request;
}

const found = await send(requests.CFindRequest.createWorklistFindRequest({
  PatientName: "wang*", PatientID: "", AccessionNumber: "", StudyInstanceUID: "", RequestedProcedureID: "",
  ScheduledProcedureStepSequence: [{ Modality: "CT", ScheduledStationAETitle: "", ScheduledProcedureStepStartDate: "",
    ScheduledProcedureStepID: "" }],
}));
const order = found.find((a) => a.elements)?.elements ?? {};
const scheduled = [order.ScheduledProcedureStepSequence].flat()[0] ?? {};
const begin = {
  Modality: "CT", PatientName: "Wang^XiaoDong", PatientID: order.PatientID, PerformedProcedureStepID: "1",
  PerformedStationAETitle: ae, PerformedProcedureStepStartDate: "20261122", PerformedProcedureStepStartTime: "080000",
  PerformedProcedureStepStatus: "IN PROGRESS", PerformedSeriesSequence: [],
  ScheduledStepAttributesSequence: [{ AccessionNumber: order.AccessionNumber, StudyInstanceUID: order.StudyInstanceUID,
    ScheduledProcedureStepID: scheduled.ScheduledProcedureStepID, RequestedProcedureID: order.RequestedProcedureID }],
};
const end = {
  PerformedProcedureStepStatus: "COMPLETED", PerformedProcedureStepEndDate: "20261122", PerformedProcedureStepEndTime: "081500",
  ImageAndFluoroscopyAreaDoseProduct: 2.5,
  PerformedSeriesSequence: [{ SeriesInstanceUID: "1.2.3.1", PerformingPhysicianName: "", ProtocolName: "chest",
    ReferencedImageSequence: [1, 2, 3].map((n) => ({ ReferencedSOPClassUID: "1.2.840.10008.5.1.4.1.1.2",
      ReferencedSOPInstanceUID: `1.2.3.1.${n}` })) }],
};
const statuses = {};
for (const [name, request] of [
  ["create", step("NCreateRequest", begin)],
  ["create_again", step("NCreateRequest", begin)],
  ["create_finished", step("NCreateRequest", { ...begin, PerformedProcedureStepStatus: "COMPLETED" }, `${uid.slice(0, 60)}1`)],
  ["set_unknown", step("NSetRequest", end, "2.25.1")],
  ["set", step("NSetRequest", end)],
  ["set_again", step("NSetRequest", end)],
]) statuses[name] = (await send(request)).at(-1)?.status;
const after = await send(requests.CFindRequest.createWorklistFindRequest({ PatientName: "wang*" }));
console.log(JSON.stringify({
  found: found.map((a) => a.status), name: order.PatientName, study: order.StudyInstanceUID, modality: scheduled.Modality,
  statuses, left: after.filter((a) => a.elements).length,
}));
