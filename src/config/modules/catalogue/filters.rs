//! What changes an answer on its way out: the rest of gzip, additions, substitutions, SSI, images, XSLT, Perl.

use super::{Directive, H, HSL, HSLI, L, LX, Module, ONE, ONE_TO_THREE, SOME, TWO, rows};

const COMPRESSOR: &str = "it tunes the compressor's memory; the answer unpacks to the same bytes without it";
const NO_GUNZIP: &str = "Encke does not do this yet: a client without gzip would get compressed bytes \
     where nginx would have unpacked them";
const NO_ADDITION: &str =
    "Encke does not do this yet: what nginx would have put before or after an answer would be missing";
const NO_SUBSTITUTION: &str =
    "Encke does not do this yet: words that nginx would have replaced in answers would be sent";
const NO_SSI: &str =
    "Encke does not do this yet: commands that nginx would have carried out would be sent as text";
const NO_IMAGES: &str =
    "Encke does not do this yet: an image that nginx would have changed or refused would be sent as it is";
const NO_XSLT: &str =
    "Encke does not do this yet: a document that nginx would have transformed would be sent as it is";
const NO_SLICE: &str =
    "Encke does not do this yet: a request that nginx would have split into parts would be made whole";
const NO_PERL: &str = "Encke runs no Perl: a request that nginx would have given to the program would not be";

/// Filters, and Perl, which can be one.
pub(super) const MODULES: &[Module] = &[
    Module { name: "ngx_http_gzip_module: rest", directives: GZIP },
    Module { name: "ngx_http_gunzip_module", directives: GUNZIP },
    Module { name: "ngx_http_addition_module", directives: ADDITION },
    Module { name: "ngx_http_sub_module", directives: SUB },
    Module { name: "ngx_http_ssi_module", directives: SSI },
    Module { name: "ngx_http_slice_module", directives: SLICE },
    Module { name: "ngx_http_image_filter_module", directives: IMAGE_FILTER },
    Module { name: "ngx_http_xslt_module", directives: XSLT },
    Module { name: "ngx_http_perl_module", directives: PERL },
];

const GZIP: &[Directive] = &rows![
    Accepted(buffers) "gzip_buffers", HSL, TWO, "32 4k|16 8k", COMPRESSOR,
        "Number and size of buffers of the compressor.";
    Accepted(size) "gzip_hash", HSL, ONE, "128k", COMPRESSOR,
        "Memory of the compressor's hash.";
    Accepted(flag) "gzip_no_buffer", HSL, ONE, "off", COMPRESSOR,
        "Sends what is compressed at once.";
    Accepted(size) "gzip_window", HSL, ONE, "32k", COMPRESSOR,
        "Window of the compressor.";
    Accepted(size) "postpone_gzipping", HSL, ONE, "0", COMPRESSOR,
        "Holds bytes back until there are this many to compress.";
];

const GUNZIP: &[Directive] = &rows![
    Refused "gunzip", HSL, ONE, "off", NO_GUNZIP,
        "Unpacks answers for clients that cannot.";
    Refused "gunzip_buffers", HSL, TWO, "32 4k|16 8k", NO_GUNZIP,
        "Number and size of buffers for unpacking.";
];

const ADDITION: &[Directive] = &rows![
    Refused "add_after_body", HSL, ONE, "", NO_ADDITION,
        "Appends the answer of a request made inside.";
    Refused "add_before_body", HSL, ONE, "", NO_ADDITION,
        "Puts the answer of a request made inside in front.";
    Refused "addition_types", HSL, SOME, "text/html", NO_ADDITION,
        "Types of answers that are added to.";
];

const SUB: &[Directive] = &rows![
    Refused "sub_filter", HSL, TWO, "", NO_SUBSTITUTION,
        "Replaces a string in answers.";
    Refused "sub_filter_last_modified", HSL, ONE, "off", NO_SUBSTITUTION,
        "Keeps Last-Modified of changed answers.";
    Refused "sub_filter_once", HSL, ONE, "on", NO_SUBSTITUTION,
        "Replaces only the first occurrence.";
    Refused "sub_filter_types", HSL, SOME, "text/html", NO_SUBSTITUTION,
        "Types of answers in which strings are replaced.";
];

const SSI: &[Directive] = &rows![
    Refused "ssi", HSLI, ONE, "off", NO_SSI,
        "Carries out the SSI commands in answers.";
    Refused "ssi_ignore_recycled_buffers", HSL, ONE, "off", NO_SSI,
        "How buffers that will be used again are treated.";
    Refused "ssi_last_modified", HSL, ONE, "off", NO_SSI,
        "Keeps Last-Modified of changed answers.";
    Refused "ssi_min_file_chunk", HSL, ONE, "1k", NO_SSI,
        "Least size of a part that is sent straight from a file.";
    Refused "ssi_silent_errors", HSL, ONE, "off", NO_SSI,
        "Leaves the error text out.";
    Refused "ssi_types", HSL, SOME, "text/html", NO_SSI,
        "Types of answers that are looked at.";
    Refused "ssi_value_length", HSL, ONE, "256", NO_SSI,
        "Greatest length of a parameter.";
];

const SLICE: &[Directive] = &rows![
    Refused "slice", HSL, ONE, "0", NO_SLICE,
        "Makes requests inside for parts of this size.";
];

const IMAGE_FILTER: &[Directive] = &rows![
    Refused "image_filter", L, ONE_TO_THREE, "off", NO_IMAGES,
        "Checks, resizes, crops or turns images.";
    Refused "image_filter_buffer", HSL, ONE, "1M", NO_IMAGES,
        "Greatest size of an image that is read.";
    Refused "image_filter_interlace", HSL, ONE, "off", NO_IMAGES,
        "Interlaces images.";
    Refused "image_filter_jpeg_quality", HSL, ONE, "75", NO_IMAGES,
        "Quality of JPEG images.";
    Refused "image_filter_sharpen", HSL, ONE, "0", NO_IMAGES,
        "Sharpens images.";
    Refused "image_filter_transparency", HSL, ONE, "on", NO_IMAGES,
        "Keeps transparency.";
    Refused "image_filter_webp_quality", HSL, ONE, "80", NO_IMAGES,
        "Quality of WebP images.";
];

const XSLT: &[Directive] = &rows![
    Refused "xml_entities", HSL, ONE, "", NO_XSLT,
        "DTD file with character entities.";
    Refused "xslt_last_modified", HSL, ONE, "off", NO_XSLT,
        "Keeps Last-Modified of changed answers.";
    Refused "xslt_param", HSL, TWO, "", NO_XSLT,
        "A parameter of stylesheets, as an XPath expression.";
    Refused "xslt_string_param", HSL, TWO, "", NO_XSLT,
        "A parameter of stylesheets, as a string.";
    Refused "xslt_stylesheet", L, SOME, "", NO_XSLT,
        "Stylesheet that answers are transformed with.";
    Refused "xslt_types", HSL, SOME, "text/xml", NO_XSLT,
        "Types of answers that are transformed.";
];

const PERL: &[Directive] = &rows![
    Refused "perl", LX, ONE, "", NO_PERL,
        "Answers with a Perl function.";
    Refused "perl_modules", H, ONE, "", NO_PERL,
        "Another directory for Perl modules.";
    Refused "perl_require", H, ONE, "", NO_PERL,
        "Loads a Perl module.";
    Refused "perl_set", H, TWO, "", NO_PERL,
        "Sets a variable by a Perl function.";
];
