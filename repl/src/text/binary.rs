//! Binaries and bit strings: `<<1,2,"text",300:16,"å"/utf8,3:2>>`,
//! `<<1, 2, "text", 300::16, 3::size(2)>>`; and the order of bytes, which addresses of sockets need:
//! `<<2:16/native>>`, `<<2::native-16>>`.

use eetf::{Binary, BitBinary, Term};
use num_bigint::{BigInt, Sign};
use winnow::Parser;
use winnow::ascii::digit1;
use winnow::combinator::{alt, delimited, opt, preceded};
use winnow::stream::Stream;
use winnow::token::literal;

use super::Notation;
use super::fault::{Input, Parsed, wrong, wrong_at};
use super::quoted::{self, Piece};
use super::rule::{Rule, enter, space};

/// The widest segment: 8 KiB.
const WIDEST: usize = 65_536;

/// A binary, from its `<<` to its `>>`; its segments that are no strings are terms by the rule `term`.
pub(super) fn binary<'i>(i: &mut Input<'i>, term: Rule<'i, Term>) -> Parsed<Term> {
    literal("<<").parse_next(i)?;
    let mut bits = Bits::default();
    space(i)?;
    if opt(literal(">>")).parse_next(i)?.is_some() {
        return Ok(bits.term());
    }
    loop {
        segment(i, term, &mut bits)?;
        space(i)?;
        if opt(literal(">>")).parse_next(i)?.is_some() {
            return Ok(bits.term());
        }
        if opt(literal(",")).parse_next(i)?.is_none() {
            return wrong(i, "`,` or `>>` is expected here");
        }
        space(i)?;
    }
}

fn segment<'i>(i: &mut Input<'i>, term: Rule<'i, Term>, bits: &mut Bits) -> Parsed<()> {
    let start = i.eof_offset();
    if opt(literal("\"")).parse_next(i)?.is_some() {
        let pieces = quoted::until(i, '"')?;
        return text(i, start, &pieces, bits);
    }
    match enter(i, term)? {
        Term::FixInteger(n) => integer(i, start, &BigInt::from(n.value), bits),
        Term::BigInteger(n) => integer(i, start, &n.value, bits),
        Term::Binary(inner) => {
            inner.bytes.iter().for_each(|b| bits.push(&BigInt::from(*b), 8));
            Ok(())
        }
        _ => wrong_at(start, "a binary holds integers and strings"),
    }
}

/// A string: characters are bytes in Erlang, unless it says `/utf8`.
fn text(i: &mut Input<'_>, start: usize, pieces: &[Piece], bits: &mut Bits) -> Parsed<()> {
    let utf8 = match i.state.notation {
        Notation::Erlang => opt(literal("/utf8")).parse_next(i)?.is_some(),
        Notation::Elixir => {
            opt(preceded(literal("::"), alt((literal("utf8"), literal("binary")))))
                .parse_next(i)?;
            true
        }
    };
    for piece in pieces {
        match *piece {
            Piece::Byte(byte) => bits.push(&BigInt::from(byte), 8),
            Piece::Code(code) if utf8 => match char::from_u32(code) {
                Some(c) => {
                    c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| bits.push(&BigInt::from(b), 8));
                }
                None => return wrong_at(start, "no such character"),
            },
            Piece::Code(code) if code <= 255 => bits.push(&BigInt::from(code), 8),
            Piece::Code(_) => {
                return wrong_at(
                    start,
                    "a character above 255 fits no byte; end the string with /utf8",
                );
            }
        }
    }
    Ok(())
}

/// The order of an integer's bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Order {
    Big,
    Little,
}

/// A size in bits, with an order of bytes or without.
type Width<'i> = (&'i str, Option<Order>);

fn order(i: &mut Input<'_>) -> Parsed<Order> {
    const NATIVE: Order = if cfg!(target_endian = "big") { Order::Big } else { Order::Little };
    alt((
        literal("big").value(Order::Big),
        literal("little").value(Order::Little),
        literal("native").value(NATIVE),
    ))
    .parse_next(i)
}

/// `:16/native`
fn erlang_width<'i>(i: &mut Input<'i>) -> Parsed<Width<'i>> {
    preceded(literal(":"), (digit1, opt(preceded(literal("/"), order)))).parse_next(i)
}

/// `::16`, `::size(16)`, `::16-native`, `::native-16`
fn elixir_width<'i>(i: &mut Input<'i>) -> Parsed<Width<'i>> {
    fn size<'i>(i: &mut Input<'i>) -> Parsed<&'i str> {
        alt((digit1, delimited(literal("size("), digit1, literal(")")))).parse_next(i)
    }
    let first = (order, literal("-"), size).map(|(order, _, size)| (size, Some(order)));
    let last = (size, opt(preceded(literal("-"), order)));
    preceded(literal("::"), alt((first, last))).parse_next(i)
}

fn integer(i: &mut Input<'_>, start: usize, value: &BigInt, bits: &mut Bits) -> Parsed<()> {
    let at = i.eof_offset();
    let width = match i.state.notation {
        Notation::Erlang => opt(erlang_width).parse_next(i)?,
        Notation::Elixir => opt(elixir_width).parse_next(i)?,
    };
    let Some((size, order)) = width else {
        if value < &BigInt::ZERO || value > &BigInt::from(255) {
            return wrong_at(start, "a byte is 0 to 255; a wider integer takes a size");
        }
        bits.push(value, 8);
        return Ok(());
    };
    match (size.parse(), order) {
        (Ok(size), Some(Order::Little)) if size <= WIDEST && size % 8 != 0 => {
            wrong_at(at, "little-endian integers are of whole bytes here")
        }
        (Ok(size), Some(Order::Little)) if size <= WIDEST => {
            let byte = |n| value.clone() >> (8 * n);
            (0..size / 8).for_each(|n| bits.push(&byte(n), 8));
            Ok(())
        }
        (Ok(size), _) if size <= WIDEST => {
            bits.push(value, size);
            Ok(())
        }
        _ => wrong_at(at, format!("a size is at most {WIDEST} bits")),
    }
}

/// Bits that are being put together.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// How many bits of the last byte are used; 0 where all are.
    tail: u8,
}

impl Bits {
    /// The lowest `size` bits of `value`, in two's complement.
    fn push(&mut self, value: &BigInt, size: usize) {
        let modulus = BigInt::from(1) << size;
        let mut value = value % &modulus;
        if value.sign() == Sign::Minus {
            value += modulus;
        }
        let (_, whole) = value.to_bytes_be();
        let (bytes, odd) = (size / 8, size % 8);
        if self.tail == 0 && odd == 0 {
            let zeros = bytes.saturating_sub(whole.len());
            self.bytes.extend(std::iter::repeat_n(0, zeros));
            self.bytes.extend(&whole[whole.len().saturating_sub(bytes)..]);
            return;
        }
        for bit in (0..size).rev() {
            if self.tail == 0 {
                self.bytes.push(0);
            }
            let mask = if value.bit(bit as u64) { 0x80 >> self.tail } else { 0 };
            if let Some(last) = self.bytes.last_mut() {
                *last |= mask;
            }
            self.tail = (self.tail + 1) % 8;
        }
    }

    fn term(mut self) -> Term {
        if self.tail == 0 {
            return Term::from(Binary { bytes: self.bytes });
        }
        // The library wants the used bits of the last byte at its low end.
        if let Some(last) = self.bytes.last_mut() {
            *last >>= 8 - self.tail;
        }
        Term::from(BitBinary { bytes: self.bytes, tail_bits_size: self.tail })
    }
}
