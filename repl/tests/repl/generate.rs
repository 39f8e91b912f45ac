//! Terms of every kind that has a notation.

use eetf::{Atom, Binary, BitBinary, FixInteger, Float, ImproperList, List, Map, Term, Tuple};
use linx_netlink_repl::etf::canonical;
use proptest::collection::{hash_map, vec};
use proptest::prelude::*;

fn atom() -> impl Strategy<Value = Term> {
    let names = prop_oneof![
        "[a-z][a-zA-Z0-9_@]{0,8}",
        "[A-Z_][a-zA-Z0-9_@]{0,8}[?!]?",
        "(Elixir\\.)?[A-Z][a-z]{0,4}(\\.[A-Z][a-z]{0,3})?",
        "[!-/:-@\\[-`{-~]{1,3}",
        any::<String>(),
        Just("nil".to_owned()),
        Just("after".to_owned()),
        Just(String::new()),
    ];
    names.prop_map(|name| Term::from(Atom { name: name.chars().take(255).collect() }))
}

fn integer() -> impl Strategy<Value = Term> {
    let edges = vec![0, -1, 255, 256, i64::from(i32::MAX), i64::from(i32::MIN), i64::MAX, i64::MIN];
    let big =
        vec(any::<u8>(), 0..40).prop_map(|bytes| num_bigint::BigInt::from_signed_bytes_le(&bytes));
    let value = prop_oneof![
        any::<u8>().prop_map(num_bigint::BigInt::from),
        any::<i32>().prop_map(num_bigint::BigInt::from),
        proptest::sample::select(edges).prop_map(num_bigint::BigInt::from),
        big,
    ];
    value.prop_map(|value| canonical(Term::from(eetf::BigInteger { value })))
}

fn float() -> impl Strategy<Value = Term> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    let value = prop_oneof![
        POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO,
        (-1_000_000..1_000_000).prop_map(|n| f64::from(n) / 64.0),
        (-30..30).prop_map(|n| 10_f64.powi(n)),
    ];
    value.prop_map(|value| Term::from(Float { value }))
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..12),
        "[ -~\\n\\t]{0,12}".prop_map(String::into_bytes),
        any::<String>().prop_map(String::into_bytes),
    ]
}

fn bits() -> impl Strategy<Value = Term> {
    (vec(any::<u8>(), 0..4), any::<u8>(), 1..8_u8).prop_map(|(mut bytes, last, size)| {
        bytes.push(last & ((1 << size) - 1));
        Term::from(BitBinary { bytes, tail_bits_size: size })
    })
}

fn characters() -> impl Strategy<Value = Term> {
    any::<String>().prop_map(|text| {
        let code = |c| Term::from(FixInteger { value: i32::try_from(u32::from(c)).unwrap() });
        Term::from(List { elements: text.chars().map(code).collect() })
    })
}

fn leaf() -> impl Strategy<Value = Term> {
    let binary = bytes().prop_map(|bytes| Term::from(Binary { bytes }));
    prop_oneof![3 => atom(), 3 => integer(), 1 => float(), 3 => binary, 1 => bits(), 1 => characters()]
}

/// Any term, in the form that the REPL reads it in.
pub fn term() -> impl Strategy<Value = Term> {
    leaf().prop_recursive(4, 40, 6, |inner| {
        let keyword = (atom(), inner.clone())
            .prop_map(|(key, value)| Term::from(Tuple { elements: vec![key, value] }));
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(|elements| Term::from(List { elements })),
            vec(keyword, 1..4).prop_map(|elements| Term::from(List { elements })),
            (vec(inner.clone(), 1..4), leaf()).prop_map(|(elements, last)| {
                canonical(Term::from(ImproperList { elements, last: Box::new(last) }))
            }),
            vec(inner.clone(), 0..6).prop_map(|elements| Term::from(Tuple { elements })),
            hash_map(atom(), inner.clone(), 0..4).prop_map(|map| Term::from(Map { map })),
            hash_map(leaf(), inner, 0..4).prop_map(|map| Term::from(Map { map })),
        ]
    })
}
