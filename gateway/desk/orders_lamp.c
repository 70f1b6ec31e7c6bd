/* orders_lamp.c - how orders come from the HIS, for the desk's lamp. */
#include "gateway/desk/orders_lamp.h"

#include "gateway/desk/his_refused.h"
#include "gateway/desk/lamps.h"

int
orders_lamp_read(struct orders_sources *sources, struct book *book, struct orders_status *out,
                 bool *out_is_lit, struct err *err)
{
    orders_sources_status(sources, out);
    if (book != NULL && his_refused_counts(book, &out->hl7_orders, &out->hl7_others, err) < 0)
        return -1;
    *out_is_lit = sources != NULL || out->hl7_orders + out->hl7_others > 0;
    return 0;
}

void
orders_lamp_write(struct jsonw *w, const struct orders_status *o, int64_t now_us)
{
    enum lamp lamp = lamp_of_orders(o, now_us);

    jsonw_object(w, "his_orders");
    jsonw_text(w, "word", lamp_word(lamp));
    jsonw_text(w, "colour", lamp_colour(lamp));
    jsonw_int(w, "good_us", o->good_us);
    jsonw_uint(w, "taken", o->taken);
    jsonw_uint(w, "refused", o->refused);
    jsonw_uint(w, "flagged", o->flagged);
    jsonw_uint(w, "place", o->place);
    jsonw_text(w, "member", o->member);
    jsonw_uint(w, "aside", o->aside);
    jsonw_text(w, "trouble", orders_trouble_word(o->trouble));
    jsonw_text(w, "why", o->trouble != ORDERS_NO_TROUBLE ? o->why : "");
    jsonw_uint(w, "hl7_orders", o->hl7_orders);
    jsonw_uint(w, "hl7_others", o->hl7_others);
    jsonw_end(w);
}
