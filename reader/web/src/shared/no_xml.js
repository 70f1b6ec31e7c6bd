// no_xml.js - stands where xmlbuilder2 would: nothing here writes XML (see vite.config.js).
export const create = () => {
  throw new Error("no XML is written here");
};
export default {};
