// templates.js - built-in beginnings of reports, in Chinese as the reports are. Taking one fills what is empty and adds to
// what is not; nothing that was typed is lost.
const CT = ["CT"];
const DR = ["DX", "CR", "RG", "DR"];
const LIST = [
  { id: "ct_head", modalities: CT, title: "头颅平扫：未见异常", exam: "头颅CT平扫",
    findings: "双侧大脑半球、小脑及脑干形态、密度未见明显异常，灰白质分界清楚。脑室系统大小、形态正常，脑沟、脑裂未见增宽。中线结构居中。颅骨骨质未见明显异常。",
    impression: "颅脑CT平扫未见明显异常。" },
  { id: "ct_head_bleed", modalities: CT, title: "头颅平扫：出血", exam: "头颅CT平扫",
    findings: "____侧____可见团片状高密度影，范围约____mm×____mm，CT值约____HU，周围可见低密度水肿带。脑室系统____，中线结构____。",
    impression: "____侧____脑出血。危急值，____时____分电话通知____。" },
  { id: "ct_chest", modalities: CT, title: "胸部平扫：未见异常", exam: "胸部CT平扫",
    findings: "胸廓对称，双肺纹理清晰，肺野内未见明显实变及结节影。气管、支气管通畅。纵隔居中，未见明显肿大淋巴结。心影不大。双侧胸腔未见积液。",
    impression: "胸部CT平扫未见明显异常。" },
  { id: "ct_abdomen", modalities: CT, title: "腹部平扫：未见异常", exam: "腹部CT平扫",
    findings: "肝脏大小、形态正常，实质密度均匀。胆囊不大，壁不厚。胰腺、脾脏、双侧肾脏及肾上腺未见明显异常。腹膜后未见明显肿大淋巴结。腹腔未见积液。",
    impression: "腹部CT平扫未见明显异常。" },
  { id: "dx_chest", modalities: DR, title: "胸部正位：未见异常", exam: "胸部正位片",
    findings: "胸廓对称，双肺纹理清晰，未见明显实变影。双侧肺门影不大。心影大小、形态正常。双膈面光整，双侧肋膈角锐利。",
    impression: "心、肺、膈未见明显异常。" },
  { id: "dx_limb", modalities: DR, title: "四肢：未见骨折", exam: "____正侧位片",
    findings: "所示诸骨骨质结构完整，骨皮质连续，未见明显骨折线。关节在位，关节间隙未见明显狭窄。软组织未见明显肿胀。",
    impression: "____未见明显骨折及脱位。" },
  { id: "ecg", modalities: ["ECG"], title: "心电图：正常", exam: "十二导联心电图",
    findings: "窦性心律，心率____次/分。P波、PR间期正常。QRS波群时限及形态正常。ST段未见偏移，T波未见异常。", impression: "正常心电图。" },
];

export const templatesFor = (modality) => LIST.filter((t) => t.modalities.includes(modality));

export function filled(fields, template) {
  const join = (have, more) => (have.trim() === "" ? more : have.includes(more) ? have : `${have.replace(/\s+$/, "")}\n${more}`);
  return { exam: fields.exam.trim() ? fields.exam : template.exam, findings: join(fields.findings, template.findings),
    impression: join(fields.impression, template.impression) };
}
