/* decode.cc - one coded frame through DCMTK's codecs: a data set of just what they need is built
 * around it, so that nothing else of the received object reaches them. */
#include "proto/dicom/dcmtk/decode.h"

#include "proto/dicom/rle.h"

#include "dcmtk/config/osconfig.h"

#include "dcmtk/dcmdata/dcdatset.h"
#include "dcmtk/dcmdata/dcdict.h"
#include "dcmtk/dcmdata/dcdeftag.h"
#include "dcmtk/dcmdata/dcpixel.h"
#include "dcmtk/dcmdata/dcpixseq.h"
#include "dcmtk/dcmdata/dcpxitem.h"
#include "dcmtk/dcmdata/dcxfer.h"
#include "dcmtk/dcmjpeg/djdecode.h"
#include "dcmtk/oflog/oflog.h"

#include <exception>
#include <memory>

namespace
{

/* The codecs read a fragment's length as 32 bits. */
const size_t coded_max = 0xFFFFFFFEu;

void
register_codecs()
{
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    /* Its dictionary is a file, read when first asked for: ask before a sandbox closes. */
    dcmDataDict.rdlock();
    dcmDataDict.rdunlock();
    DJDecoderRegistration::registerCodecs(EDC_never, EUC_never, EPC_colorByPixel);
}

int
refuse(struct err *err, const char *what, const OFCondition &cond)
{
    return err_set(err, ERR_REJECT, "decode frame: %s: %s", what, cond.text());
}

/* The attributes of the pixel module (PS3.3 C.7.6.3), for one frame. */
OFCondition
describe(DcmDataset &dataset, const struct dcmtk_frame &f)
{
    const struct {
        DcmTagKey key;
        Uint16 value;
    } rows[] = {
        {DCM_SamplesPerPixel, static_cast<Uint16>(f.samples)},
        {DCM_PlanarConfiguration, 0},
        {DCM_Rows, static_cast<Uint16>(f.rows)},
        {DCM_Columns, static_cast<Uint16>(f.cols)},
        {DCM_BitsAllocated, static_cast<Uint16>(f.bits_allocated)},
        {DCM_BitsStored, static_cast<Uint16>(f.bits_stored)},
        {DCM_HighBit, static_cast<Uint16>(f.high_bit)},
        {DCM_PixelRepresentation, static_cast<Uint16>(f.is_signed ? 1 : 0)},
    };
    OFCondition cond = dataset.putAndInsertString(DCM_PhotometricInterpretation, f.photometric);

    for (const auto &row : rows)
        if (cond.good() && (row.key != DCM_PlanarConfiguration || f.samples > 1))
            cond = dataset.putAndInsertUint16(row.key, row.value);
    if (cond.good())
        cond = dataset.putAndInsertString(DCM_NumberOfFrames, "1");
    return cond;
}

/* Offset table and the frame as the only fragment. */
OFCondition
add_fragment(DcmDataset &dataset, E_TransferSyntax syntax, const uint8_t *coded, size_t n)
{
    auto sequence = std::make_unique<DcmPixelSequence>(DcmTag(DCM_PixelData, EVR_OB));
    auto table = std::make_unique<DcmPixelItem>(DcmTag(DCM_PixelItemTag));
    auto item = std::make_unique<DcmPixelItem>(DcmTag(DCM_PixelItemTag));
    auto pixels = std::make_unique<DcmPixelData>(DCM_PixelData);
    Uint8 *room = nullptr;
    OFCondition cond = sequence->insert(table.get());

    if (cond.bad())
        return cond;
    table.release();
    cond = item->createUint8Array(static_cast<Uint32>(n + n % 2), room);
    if (cond.bad())
        return cond;
    std::copy(coded, coded + n, room);
    if (n % 2 != 0)
        room[n] = 0;
    cond = sequence->insert(item.get());
    if (cond.bad())
        return cond;
    item.release();
    pixels->putOriginalRepresentation(syntax, nullptr, sequence.release());
    cond = dataset.insert(pixels.get());
    if (cond.good())
        pixels.release();
    return cond;
}

/* Bits a sample has in a JPEG stream (ITU T.81 B.2.2); 0 when there is no frame header of its
 * kind, or something before it that has no place there: DCMTK 3.6.7 looks on behind a JPEG-LS
 * header in JPEG, and goes round for ever at the marker TEM. */
unsigned
stream_precision(const uint8_t *p, size_t n)
{
    if (n < 2 || p[0] != 0xFF || p[1] != 0xD8)
        return 0;
    for (size_t at = 2; at + 5 <= n && p[at] == 0xFF;) {
        const unsigned marker = p[at + 1];

        if (marker == 0xFF) { /* a fill byte */
            at++;
            continue;
        }
        if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC)
            return p[at + 4];
        if (marker < 0xC0 || (marker >= 0xD0 && marker <= 0xD9) || marker == 0xF7)
            return 0;
        at += 2 + static_cast<size_t>(p[at + 2] << 8 | p[at + 3]);
    }
    return 0;
}

/* Signed samples narrower than their cell: PS3.5 8.1.1 leaves the high bits free, we do not. */
void
extend(const struct dcmtk_frame &f, unsigned precision, uint8_t *p, size_t n)
{
    const unsigned shift = f.bits_allocated - precision;

    if (!f.is_signed || shift == 0)
        return;
    if (f.bits_allocated == 8)
        for (size_t i = 0; i < n; i++)
            p[i] = static_cast<uint8_t>(static_cast<int8_t>(p[i] << shift) >> shift);
    else
        for (size_t i = 0; i + 1 < n; i += 2) {
            int v = static_cast<int16_t>(static_cast<uint16_t>((p[i] | p[i + 1] << 8) << shift));

            v >>= shift;
            p[i] = static_cast<uint8_t>(v);
            p[i + 1] = static_cast<uint8_t>(v >> 8);
        }
}

int
decode(const struct dcmtk_frame &f, const uint8_t *coded, size_t n, struct buf *out,
       char *out_photometric, struct err *err)
{
    const size_t size = static_cast<size_t>(f.rows) * f.cols * f.samples * (f.bits_allocated / 8);
    const E_TransferSyntax syntax = DcmXfer(f.transfer_syntax).getXfer();
    DcmDataset dataset;
    DcmElement *element = nullptr;
    Uint32 fragment = 0;
    OFString model;
    uint8_t *room;
    const unsigned precision = stream_precision(coded, n);

    if (precision == 0 || precision > f.bits_allocated ||
        (precision <= 8) != (f.bits_allocated == 8))
        return err_set(err, ERR_REJECT, "decode frame: %u bits do not suit cells of %u", precision,
                       f.bits_allocated);
    OFCondition cond = describe(dataset, f);
    if (cond.good())
        cond = add_fragment(dataset, syntax, coded, n);
    if (cond.good())
        cond = dataset.findAndGetElement(DCM_PixelData, element);
    if (cond.bad())
        return refuse(err, "cannot be described", cond);
    /* An even length is wanted of the buffer. */
    room = buf_reserve(out, size + size % 2);
    if (room == nullptr)
        return err_set(err, ERR_REJECT, "decode frame: larger than its limit");
    cond = static_cast<DcmPixelData *>(element)->getUncompressedFrame(
        &dataset, 0, fragment, room, static_cast<Uint32>(size + size % 2), model);
    if (cond.bad())
        return refuse(err, "broken stream", cond);
    extend(f, precision, room, size);
    out->n += size;
    if (out_photometric != nullptr) {
        size_t k = model.copy(out_photometric, 16);

        out_photometric[k] = '\0';
    }
    return 0;
}

bool
is_sensible(const struct dcmtk_frame &f, size_t n)
{
    const uint64_t size =
        static_cast<uint64_t>(f.rows) * f.cols * f.samples * (f.bits_allocated / 8);

    return f.rows > 0 && f.rows < 65536 && f.cols > 0 && f.cols < 65536 &&
           (f.samples == 1 || f.samples == 3) &&
           (f.bits_allocated == 8 || f.bits_allocated == 16) && f.bits_stored > 0 &&
           f.bits_stored <= f.bits_allocated && f.high_bit < f.bits_allocated && n > 0 &&
           n <= coded_max && size <= 0x7FFFFFFEu;
}

} /* namespace */

int
dcmtk_decode_warm(struct err *err)
{
    static bool is_done = false;

    try {
        if (!is_done)
            register_codecs();
        is_done = true;
        return 0;
    } catch (const std::exception &e) {
        return err_set(err, ERR_FATAL, "decoders: %s", e.what());
    } catch (...) {
        return err_set(err, ERR_FATAL, "decoders: cannot be registered");
    }
}

int
dcmtk_decode_frame(const struct dcmtk_frame *frame, const uint8_t *coded, size_t n, struct buf *out,
                   char out_photometric[17], struct err *err)
{
    if (!is_sensible(*frame, n))
        return err_set(err, ERR_REJECT, "decode frame: a form no codec here knows");
    if (DcmXfer(frame->transfer_syntax).getXfer() == EXS_RLELossless) {
        if (out_photometric != nullptr)
            OFStandard::strlcpy(out_photometric, frame->photometric, 17);
        return dcm_rle_decode(coded, n, static_cast<size_t>(frame->rows) * frame->cols,
                              frame->samples, frame->bits_allocated / 8, out, err);
    }
    if (dcmtk_decode_warm(err) < 0)
        return -1;
    try {
        return decode(*frame, coded, n, out, out_photometric, err);
    } catch (const std::exception &e) {
        return err_set(err, ERR_REJECT, "decode frame: %s", e.what());
    } catch (...) {
        return err_set(err, ERR_REJECT, "decode frame: an unknown exception");
    }
}
