/* fonts.h - pango's one font map: used by one thread at a time, lives as long as the process.
 * Private to proto/render. */
#ifndef RADPOST_RENDER_FONTS_H
#define RADPOST_RENDER_FONTS_H

#include <pango/pangocairo.h>

#define FONTS_FAMILY "Noto Sans CJK SC, Noto Sans CJK, sans-serif"
#define FONTS_FAMILY_LATIN "Noto Sans CJK JP, Noto Sans CJK SC, sans-serif"

/* Waits its turn; the map is the caller's until fonts_unlock(). */
PangoFontMap *fonts_lock(void);
void fonts_unlock(void);

#endif
