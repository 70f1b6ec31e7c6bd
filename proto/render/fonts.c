/* fonts.c - pango's one font map. */
#include "proto/render/fonts.h"

#include <pthread.h>

#ifdef __SANITIZE_ADDRESS__
/* fontconfig keeps patterns in caches that the leak checker cannot see into; cairo 1.16 forgets 768
 * bytes for each set of Chinese outlines it embeds, about three kilobytes a report. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
    return "leak:libfontconfig.so\nleak:libcairo.so\n";
}
#endif

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static PangoFontMap *fonts;

PangoFontMap *
fonts_lock(void)
{
    pthread_mutex_lock(&lock);
    if (fonts == NULL)
        fonts = pango_cairo_font_map_new();
    return fonts;
}

void
fonts_unlock(void)
{
    pthread_mutex_unlock(&lock);
}
