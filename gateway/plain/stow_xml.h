/* stow_xml.h - as much of XML as the Native DICOM Model (PS3.19 A.1) of a STOW-RS answer needs:
 * elements, attributes, text. No document type, no entities but their text, nothing fetched.
 * Pure functions. */
#ifndef RADPOST_PLAIN_STOW_XML_H
#define RADPOST_PLAIN_STOW_XML_H

#include "gateway/plain/stow_answer.h"

/* Each item of the two sequences at the top is added.
 * errors  ERR_REJECT broken, too deep, or with a document type; add's own */
int stow_xml_read(const void *bytes, size_t n,
                  int (*add)(struct stow_answer *answer, const struct stow_row *row,
                             struct err *err),
                  struct stow_answer *answer, struct err *err) MUST_CHECK;

#endif
