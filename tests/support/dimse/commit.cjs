// commit.cjs PORT AE CLASS=INSTANCE... - a device by dcmjs-dimse, whose association stays open: asks for commitment and
// waits on it for the report. Prints "asked STATUS", then "told EVENT good=N failed=REASON,..."; exit 1 without a report.
'use strict'
const { Client, Dataset, requests, responses, constants } = require('dcmjs-dimse')
const COMMITMENT = '1.2.840.10008.1.20.1'
const [port, ae, ...items] = process.argv.slice(2)

const refs = items.map(i => i.split('=')).map(([ReferencedSOPClassUID, ReferencedSOPInstanceUID]) =>
    ({ ReferencedSOPClassUID, ReferencedSOPInstanceUID }))
const action = new requests.NActionRequest(COMMITMENT, COMMITMENT + '.1', 1)
action.setDataset(new Dataset({ TransactionUID: Dataset.generateDerivedUid(), ReferencedSOPSequence: refs }))
action.on('response', r => console.log('asked', '0x' + r.getStatus().toString(16)))

const client = new Client()
const list = v => v === undefined ? [] : Array.isArray(v) ? v : [v]
let told = false
client.addRequest(action)
client.on('nEventReportRequest', (request, callback) => {
    const d = request.getDataset().getElements()
    const failed = list(d.FailedSOPSequence).map(f => f.FailureReason).sort().join(',')
    const isOurs = d.TransactionUID === action.getDataset().getElement('TransactionUID')
    console.log('told', request.getEventTypeId(), 'good=' + list(d.ReferencedSOPSequence).length, 'failed=' + failed, isOurs ? 'ours' : 'not ours')
    told = true
    const response = responses.NEventReportResponse.fromRequest(request)
    response.setStatus(constants.Status.Success)
    callback(response)
})
client.on('networkError', e => { console.log('error', e.message); process.exitCode = 1 })
client.on('closed', () => { process.exitCode = told ? 0 : 1 })
client.send('127.0.0.1', Number(port), ae, 'RADPOST', { associationLingerTimeout: 8000, pduTimeout: 60000 })
