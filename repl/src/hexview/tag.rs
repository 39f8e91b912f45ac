//! The tags of the external term format, as `erl_ext_dist` in OTP's documentation lists them.

/// How a tag is laid out after its byte.
pub(super) enum Layout {
    /// A number in this many bytes.
    Unsigned(usize),
    /// A signed number in four bytes.
    Signed,
    /// A float in eight bytes.
    Float,
    /// A length in this many bytes, then that many bytes of content.
    Bytes(usize),
    /// A length in four bytes, how many bits of the last byte count, then that many bytes.
    Bits,
    /// A length in this many bytes, a sign byte, then that many bytes, lowest first.
    Big(usize),
    /// A count in this many bytes, then that many times so many terms, and so many more.
    Terms { width: usize, each: u64, more: u64 },
    /// Nothing.
    Empty,
    /// Something that is not looked into.
    Opaque,
}

/// The name of a tag, and its layout; nothing where there is no such tag.
pub(super) fn tag(byte: u8) -> Option<(&'static str, Layout)> {
    let terms = |width, each, more| Layout::Terms { width, each, more };
    Some(match byte {
        70 => ("NEW_FLOAT", Layout::Float),
        77 => ("BIT_BINARY", Layout::Bits),
        80 => ("COMPRESSED", Layout::Opaque),
        82 => ("ATOM_CACHE_REF", Layout::Unsigned(1)),
        88 => ("NEW_PID", Layout::Opaque),
        89 => ("NEW_PORT", Layout::Opaque),
        90 => ("NEWER_REFERENCE", Layout::Opaque),
        97 => ("SMALL_INTEGER", Layout::Unsigned(1)),
        98 => ("INTEGER", Layout::Signed),
        99 => ("FLOAT", Layout::Opaque),
        100 => ("ATOM", Layout::Bytes(2)),
        101 => ("REFERENCE", Layout::Opaque),
        102 => ("PORT", Layout::Opaque),
        103 => ("PID", Layout::Opaque),
        104 => ("SMALL_TUPLE", terms(1, 1, 0)),
        105 => ("LARGE_TUPLE", terms(4, 1, 0)),
        106 => ("NIL", Layout::Empty),
        107 => ("STRING", Layout::Bytes(2)),
        108 => ("LIST", terms(4, 1, 1)),
        109 => ("BINARY", Layout::Bytes(4)),
        110 => ("SMALL_BIG", Layout::Big(1)),
        111 => ("LARGE_BIG", Layout::Big(4)),
        112 => ("NEW_FUN", Layout::Opaque),
        113 => ("EXPORT", Layout::Opaque),
        114 => ("NEW_REFERENCE", Layout::Opaque),
        115 => ("SMALL_ATOM", Layout::Bytes(1)),
        116 => ("MAP", terms(4, 2, 0)),
        117 => ("FUN", Layout::Opaque),
        118 => ("ATOM_UTF8", Layout::Bytes(2)),
        119 => ("SMALL_ATOM_UTF8", Layout::Bytes(1)),
        120 => ("V4_PORT", Layout::Opaque),
        121 => ("LOCAL", Layout::Opaque),
        _ => return None,
    })
}
