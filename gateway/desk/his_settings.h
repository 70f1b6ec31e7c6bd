/* his_settings.h - where returned reports go in the clinic, as the configuration says
 * (docs/hl7.md). Texts are never NULL; they live as long as whoever was given them says. */
#ifndef RADPOST_DESK_HIS_SETTINGS_H
#define RADPOST_DESK_HIS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

struct his_settings {
    const char *dicom;                          /* "AE@host:port"; "": none */
    const char *dicom_calling;                  /* our AE title */
    const char *hl7;                            /* "host:port"; "": none */
    const char *hl7_charset;                    /* "UTF-8" "GB18030" */
    const char *hl7_application, *hl7_facility; /* theirs: MSH-5, MSH-6 */
    const char *our_facility;
    bool hl7_has_pdf;
    int64_t hl7_wait_ms; /* for their answer */
    /* TLS towards their port: who signs its certificate, or its SHA-256; ours that is shown.
     * All NULL or "": plain. */
    const char *hl7_tls_ca, *hl7_tls_pin, *hl7_tls_certificate, *hl7_tls_key;
    const char *folder;        /* "": none */
    const char *folder_format; /* "json" "hl7" */
};

#endif
