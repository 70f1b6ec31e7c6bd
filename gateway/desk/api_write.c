/* api_write.c - registrations, reports and the reader's line as JSON. */
#include "gateway/desk/api_write.h"

#include "gateway/desk/api.h"
#include "gateway/desk/desk_link.h"
#include "proto/base/clock.h"

#include <stdlib.h>
#include <string.h>

enum { REGISTRATIONS_SHOWN = 200, REPORTS_SHOWN = 200 };

static const char *
phone_state(const struct book_registration *r)
{
    if (r->is_phone_verified)
        return "verified";
    return r->phone[0] != '\0' && r->phone_word[0] == '\0' ? "unverified" : r->phone_word;
}

/* "attach conflict" > {"kind": "attach", "word": "conflict"} */
static void
write_refused(struct jsonw *w, const char *refused)
{
    size_t n = strcspn(refused, " ");

    if (refused[0] == '\0') {
        jsonw_null(w, "refused");
        return;
    }
    jsonw_object(w, "refused");
    jsonw_text_n(w, "kind", refused, n);
    jsonw_text(w, "word", refused + n + (refused[n] == ' '));
    jsonw_end(w);
}

void
api_write_registration(struct jsonw *w, const struct book_registration *r, bool is_whole)
{
    jsonw_object(w, NULL);
    jsonw_text(w, "registration", r->registration);
    jsonw_text(w, "accession", r->registration);
    jsonw_uint(w, "revision", r->revision);
    jsonw_int(w, "created_us", r->at_us);
    jsonw_text(w, "name", r->name);
    jsonw_text(w, "sex", r->sex);
    jsonw_text(w, "birth", r->birth);
    jsonw_text(w, "phone", r->phone);
    jsonw_text(w, "phone_state", phone_state(r));
    jsonw_text(w, "modality", r->modality);
    jsonw_text(w, "complaint", r->complaint);
    if (is_whole) {
        jsonw_text(w, "citizen_id", r->citizen_id);
        jsonw_text(w, "history", r->history);
    }
    jsonw_bool(w, "is_urgent", r->is_urgent);
    jsonw_text(w, "reason", r->reason);
    jsonw_text(w, "study", r->study);
    jsonw_text(w, "attached_by", r->attached_by);
    jsonw_int(w, "slip_us", r->slip_at_us);
    jsonw_text(w, "read_state", r->read_state);
    jsonw_bool(w, "is_told", r->waiting == 0);
    write_refused(w, r->refused);
    jsonw_end(w);
}

static void
write_report(struct jsonw *w, const struct book_report *r)
{
    jsonw_object(w, NULL);
    jsonw_int(w, "read", r->read);
    jsonw_uint(w, "version", r->version);
    jsonw_text(w, "standing", r->standing);
    jsonw_uint(w, "superseded_by", r->superseded_by);
    jsonw_uint(w, "replaces", r->replaces);
    jsonw_bool(w, "is_preliminary", r->is_preliminary);
    jsonw_int(w, "signed_at_us", r->signed_at_us);
    jsonw_int(w, "received_us", r->received_at_us);
    jsonw_int(w, "confirmed_us", r->confirmed_at_us);
    jsonw_int(w, "printed_us", r->printed_at_us);
    jsonw_text(w, "author", r->author);
    jsonw_text(w, "reviewer", r->reviewer);
    jsonw_text(w, "hospital", r->hospital);
    jsonw_text(w, "verify_url", r->verify_url);
    jsonw_text(w, "reason", r->reason);
    jsonw_uint(w, "covers", r->covers);
    jsonw_uint(w, "present", r->present);
    jsonw_bool(w, "is_late",
               strcmp(r->standing, "valid") == 0 && r->present > r->covers && r->looked_at_us == 0);
    jsonw_int(w, "looked_us", r->looked_at_us);
    jsonw_text(w, "looked_by", r->looked_by);
    jsonw_text(w, "looked_reason", r->looked_reason);
    jsonw_text(w, "study", r->study);
    jsonw_text(w, "registration", r->registration);
    jsonw_text(w, "patient", r->patient);
    jsonw_text(w, "modality", r->modality);
    jsonw_text(w, "read_state", r->state);
    jsonw_bool(w, "is_here", r->is_here);
    jsonw_end(w);
}

void
api_write_unmatched(struct jsonw *w, const char *word, const char *near)
{
    if (word[0] == '\0')
        return;
    jsonw_object(w, "unmatched");
    jsonw_text(w, "word", word);
    jsonw_text(w, "registration", near);
    jsonw_end(w);
}

static void
write_reader(struct jsonw *w, struct desk_link *link, const struct book_counts *counts)
{
    struct desk_link_status status = {.line = DESK_LINE_UNKNOWN};

    if (link != NULL)
        desk_link_status(link, &status);
    jsonw_object(w, "reader");
    jsonw_text(w, "word", desk_line_word(status.line));
    jsonw_int(w, "since_us", status.since_us);
    jsonw_int(w, "last_contact_us", status.last_contact_us);
    jsonw_text(w, "address", status.reader);
    jsonw_text(w, "trouble", status.trouble);
    jsonw_uint(w, "waiting", counts->waiting);
    jsonw_uint(w, "refused", counts->refused);
    jsonw_end(w);
}

int
api_write_reports(struct book *book, size_t skip, size_t limit, struct jsonw *w, struct err *err)
{
    struct book_report_counts counts;
    struct book_report *list = NULL;
    size_t n = 0;

    if (book_report_counts(book, &counts, err) < 0 ||
        book_reports_page(book, skip, limit, &list, &n, err) < 0)
        return -1;
    jsonw_uint(w, "reports_n", counts.all);
    jsonw_uint(w, "reports_unconfirmed", counts.unconfirmed);
    jsonw_uint(w, "reports_unprinted", counts.unprinted);
    jsonw_array(w, "reports");
    for (size_t i = 0; i < n; i++)
        write_report(w, &list[i]);
    jsonw_end(w);
    free(list);
    return 0;
}

static int
write_patients(struct book *book, struct jsonw *w, struct err *err)
{
    struct book_registration *list = NULL;
    size_t n = 0, total = 0;

    if (book_registrations(book, REGISTRATIONS_SHOWN, &list, &n, &total, err) < 0)
        return -1;
    jsonw_uint(w, "registrations_n", total);
    jsonw_array(w, "registrations");
    for (size_t i = 0; i < n; i++)
        api_write_registration(w, &list[i], false);
    jsonw_end(w);
    free(list);
    return api_write_reports(book, 0, REPORTS_SHOWN, w, err);
}

int
api_write_state(struct book *book, struct desk_link *link, unsigned rights, struct jsonw *w,
                struct err *err)
{
    struct book_counts counts;

    if (((rights & DESK_WORK) && write_patients(book, w, err) < 0) ||
        book_counts(book, &counts, err) < 0)
        return -1;
    write_reader(w, link, &counts);
    return 0;
}
