use super::Notation::{Elixir, Erlang};
use super::{parse, parse_as, print};
use crate::etf;

/// What a line reads as, printed in the notation it was read in, and the notation.
fn read(line: &str) -> (String, super::Notation) {
    match parse(line, Erlang) {
        Ok((term, notation)) => (print(&term, notation), notation),
        Err(fault) => (fault.to_string(), Erlang),
    }
}

#[test]
fn the_same_request_in_both_notations() {
    let erlang =
        parse_as("{7,{open_in_netns,<<\"/run/netns/blue\">>,0,#{groups=>1}}}", Erlang).unwrap();
    let elixir =
        parse_as("{7, {:open_in_netns, \"/run/netns/blue\", 0, %{groups: 1}}}", Elixir).unwrap();
    assert_eq!(erlang, elixir);
    assert_eq!(
        print(&erlang, Erlang),
        "{7,{open_in_netns,<<\"/run/netns/blue\">>,0,#{groups => 1}}}"
    );
    assert_eq!(
        print(&erlang, Elixir),
        "{7, {:open_in_netns, \"/run/netns/blue\", 0, %{groups: 1}}}"
    );
}

#[test]
fn erlang_terms() {
    for (line, printed) in [
        ("info", "info"),
        ("  info . % a comment", "info"),
        ("'quoted atom'", "'quoted atom'"),
        ("'it\\'s'", "'it\\'s'"),
        ("'after'", "'after'"),
        ("''", "''"),
        ("'Elixir.Foo'", "'Elixir.Foo'"),
        ("a@b_C1", "a@b_C1"),
        ("{a, 16#ff, 2#101, 36#zZ, -16#Ff}", "{a,255,5,1295,-255}"),
        ("{a, 1_000_000, $a, $\\n, $\\\\, $ }", "{a,1000000,97,10,92,32}"),
        (
            "{a, 18446744073709551616, -18446744073709551616}",
            "{a,18446744073709551616,-18446744073709551616}",
        ),
        (
            "{a, 2147483647, 2147483648, -2147483648, -2147483649}",
            "{a,2147483647,2147483648,-2147483648,-2147483649}",
        ),
        ("{a, 1.5, -0.0, 1.0e10, 1.0E-5, 1.0e+300}", "{a,1.5,-0.0,1.0e10,1.0e-5,1.0e300}"),
        ("<<>>", "<<>>"),
        ("<<1,2,255>>", "<<1,2,255>>"),
        ("<<\"text\">>", "<<\"text\">>"),
        ("<<\"te\", 120, \"t\">>", "<<\"text\">>"),
        ("<<\"\u{e5}\"/utf8>>", "<<\"\u{e5}\"/utf8>>"),
        ("<<\"\u{e5}\">>", "<<229>>"),
        ("<<258:16, -1:16, 3:2>>", "<<1,2,255,255,3:2>>"),
        ("<<258:16/little, -2:24/little, 258:16/big, 258:16>>", "<<2,1,254,255,255,1,2,1,2>>"),
        ("[]", "[]"),
        ("[a,[b|c]|d]", "[a,[b|c]|d]"),
        ("[a|[b,c]]", "[a,b,c]"),
        ("[a|[]]", "[a]"),
        ("[[a]|b]", "[[a]|b]"),
        ("\"text\"", "\"text\""),
        ("\"te\" \"xt\"", "\"text\""),
        ("\"\\x{263a}\\101\\^A\"", "[9786,65,1]"),
        ("[97, 98]", "\"ab\""),
        ("[-1]", "[-1]"),
        ("#{}", "#{}"),
        ("#{b=>2,a=>1}", "#{a => 1,b => 2}"),
        ("#{10=>x,9=>y,\"k\"=>z}", "#{9 => y,10 => x,\"k\" => z}"),
    ] {
        assert_eq!(read(line), (printed.to_owned(), Erlang), "{line}");
    }
}

#[test]
fn elixir_terms() {
    for (line, printed) in [
        (":info", ":info"),
        ("  :info # a comment", ":info"),
        ("{:ok, nil, true, false}", "{:ok, nil, true, false}"),
        (":\"quoted atom\"", ":\"quoted atom\""),
        ("{:a?, :b!, :c@d, :_e, :F}", "{:a?, :b!, :c@d, :_e, :F}"),
        ("{:+, :==, :<<>>, :{}, :%{}, :|>}", "{:+, :==, :<<>>, :{}, :%{}, :|>}"),
        ("{:a, Foo.Bar, Foo}", "{:a, Foo.Bar, Foo}"),
        ("{:a, 0xff, 0b101, 0o17, -0xFF, 1_000}", "{:a, 255, 5, 15, -255, 1000}"),
        ("{:a, ?a, ?\\n, ?\\s, ?\\\\}", "{:a, 97, 10, 32, 92}"),
        ("{:a, 1.5, 1.0e-10}", "{:a, 1.5, 1.0e-10}"),
        ("{:a, \"text\"}", "{:a, \"text\"}"),
        (
            "{:a, \"\\u00e5 \\x41 \\#{x} \\e\"}",
            "{:a, <<195, 165, 32, 65, 32, 35, 123, 120, 125, 32, 27>>}",
        ),
        ("{:a, \"\\xff\"}", "{:a, <<255>>}"),
        ("{:a, <<1, 2, 255>>, <<\"te\", ?x, \"t\"::utf8>>}", "{:a, <<1, 2, 255>>, \"text\"}"),
        ("{:a, <<258::16, 3::size(2)>>}", "{:a, <<1, 2, 3::size(2)>>}"),
        (
            "{:a, <<258::little-16, 258::16-little, 258::size(16)-little, 258::big-16>>}",
            "{:a, <<2, 1, 2, 1, 2, 1, 1, 2>>}",
        ),
        ("{:a, 'text', ~c\"text\"}", "{:a, ~c\"text\", ~c\"text\"}"),
        ("[:a, [:b | :c] | :d]", "[:a, [:b | :c] | :d]"),
        ("[a: 1, b: [c: 2]]", "[a: 1, b: [c: 2]]"),
        ("[:a, b: 1]", "[:a, {:b, 1}]"),
        ("{1, a: 1}", "{1, [a: 1]}"),
        ("[\"a b\": 1]", "[\"a b\": 1]"),
        ("%{}", "%{}"),
        ("%{a: 1, \"k\" => 2}", "%{:a => 1, \"k\" => 2}"),
        ("%{\"k\" => 2, a: 1}", "%{:a => 1, \"k\" => 2}"),
        ("%{:a => 1}", "%{a: 1}"),
    ] {
        let (text, _) = read(line);
        assert_eq!(text, printed, "{line}");
    }
}

#[test]
fn a_fault_points_at_its_column() {
    for (line, fault) in [
        ("", "column 1: a term is expected here"),
        (
            "{open_in_netns, <<300>>, 0}",
            "column 19: a byte is 0 to 255; a wider integer takes a size",
        ),
        ("{open_in_netns, 0xff}", "column 18: x is no digit here"),
        ("{:a, $a}", "column 6: a term is expected here"),
        ("{a, Foo}", "column 5: Foo is a variable in Erlang; as an atom it is 'Foo'"),
        ("{:a, foo}", "column 6: foo is a variable in Elixir; the atom is :foo"),
        ("{a, 1", "column 6: `,` or `}` is expected here"),
        ("{a, \u{e5}\u{e4}\u{f6}, 1", "column 11: `,` or `}` is expected here"),
        ("{a} b", "column 5: the term ends before this"),
        ("{a, \"b}", "column 5: this \" is never closed"),
        ("[a|b,c]", "column 5: `]` is expected here: a list has one tail"),
        ("#{a => 1, b}", "column 12: `=>` is expected here"),
        ("{a, 37#1}", "column 5: a base is 2 to 36"),
        ("{a, 1__0}", "column 5: an underscore stands between two digits"),
        ("{a, 1.0e999}", "column 5: this float is too large"),
        ("<<1:65537>>", "column 4: a size is at most 65536 bits"),
        ("<<1:12/little>>", "column 4: little-endian integers are of whole bytes here"),
        ("<<1,2", "column 6: `,` or `>>` is expected here"),
        (
            "{:a, \"#{x}\"}",
            "column 7: nothing can be interpolated here; write \\#{ for the two characters",
        ),
    ] {
        assert_eq!(read(line).0, fault, "{line}");
    }
}

#[test]
fn what_fits_both_notations_is_read_in_the_usual_one() {
    assert_eq!(parse("{1, true}", Elixir).unwrap().1, Elixir);
    assert_eq!(parse("{1, true}", Erlang).unwrap().1, Erlang);
    let (list, _) = parse("\"a\"", Erlang).unwrap();
    let (binary, _) = parse("\"a\"", Elixir).unwrap();
    assert_eq!(print(&list, Elixir), "~c\"a\"");
    assert_eq!(print(&binary, Erlang), "<<\"a\">>");
}

#[test]
fn no_depth_ends_the_program() {
    for open in ["[", "{", "<<", "#{", "%{", "[a: "] {
        let line = open.repeat(100_000);
        assert!(parse(&line, Erlang).is_err());
    }
    let nested = format!("{}{}", "[".repeat(150), "]".repeat(150));
    let (term, _) = parse(&nested, Erlang).unwrap();
    assert_eq!(print(&term, Erlang), nested);
}

#[test]
fn negative_integers_are_not_taken_for_bytes() {
    let term = parse_as("[-1,1]", Erlang).unwrap();
    let bytes = etf::encode(&term).unwrap();
    assert_eq!(bytes, [131, 108, 0, 0, 0, 2, 98, 255, 255, 255, 255, 97, 1, 106]);
    assert_eq!(etf::decode(&bytes).unwrap(), term);
}

#[test]
fn atoms_have_a_largest_size() {
    let term = parse_as(&"a".repeat(256), Erlang).unwrap();
    assert!(etf::encode(&term).is_err());
    let term = parse_as(&format!("'{}'", "\u{e5}".repeat(255)), Erlang).unwrap();
    assert_eq!(etf::decode(&etf::encode(&term).unwrap()).unwrap(), term);
}

#[test]
fn nothing_printed_can_drive_a_terminal() {
    for term in
        ["'\\x{1b}[2J'", "<<\"\\e[2J\">>", "\"\\e[2J\"", "<<\"\\x{202e}\"/utf8>>", "'\\x{9b}'"]
    {
        let term = parse_as(term, Erlang).unwrap();
        for notation in [Erlang, Elixir] {
            let text = print(&term, notation);
            assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text:?}");
            assert_eq!(parse_as(&text, notation).unwrap(), term, "{text}");
        }
    }
}

#[test]
fn native_is_the_order_of_this_machine() {
    let bytes = 2_u16.to_ne_bytes();
    for (line, notation) in
        [("<<2:16/native>>", Erlang), ("<<2::native-16>>", Elixir), ("<<2::16-native>>", Elixir)]
    {
        let term = parse_as(line, notation).unwrap();
        assert_eq!(term, eetf::Binary { bytes: bytes.to_vec() }.into(), "{line}");
    }
}
