//! Term text to bytes and back.

use linx_netlink_repl::text::{Notation, parse, parse_as, print};
use linx_netlink_repl::{etf, hexview};
use proptest::prelude::*;

use crate::generate::term;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_to_bytes_and_back(term in term(), elixir in any::<bool>()) {
        let notation = if elixir { Notation::Elixir } else { Notation::Erlang };
        let text = print(&term, notation);
        let read = parse_as(&text, notation).map_err(|fault| TestCaseError::fail(format!("{text}: {fault}")))?;
        prop_assert_eq!(&read, &term, "{}", &text);

        let bytes = etf::encode(&read).unwrap();
        let decoded = etf::decode(&bytes).unwrap();
        prop_assert_eq!(&decoded, &term, "{}", &text);
        prop_assert_eq!(print(&decoded, notation), text);

        let shown: Vec<u8> = hexview::rows(&bytes).iter().flat_map(|row| row.bytes.to_vec()).collect();
        prop_assert_eq!(shown, bytes);
    }

    #[test]
    fn what_is_printed_stays_on_its_line(term in term(), elixir in any::<bool>()) {
        let notation = if elixir { Notation::Elixir } else { Notation::Erlang };
        let text = print(&term, notation);
        prop_assert!(!text.contains(char::is_control), "{:?}", text);
    }

    #[test]
    fn no_text_is_too_much(text in any::<String>()) {
        if let Err(fault) = parse(&text, Notation::Erlang) {
            prop_assert!(fault.column >= 1 && fault.column <= text.chars().count() + 1, "{}", fault);
        }
    }

    #[test]
    fn no_almost_term_is_too_much(text in "[{}\\[\\]<>\"'#%:,|=~$?0-9a-cA-C_. \\\\x/-]{0,24}") {
        if let Err(fault) = parse(&text, Notation::Erlang) {
            prop_assert!(fault.column >= 1 && fault.column <= text.chars().count() + 1, "{}", fault);
        }
    }

    #[test]
    fn any_bytes_have_a_view(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let shown: Vec<u8> = hexview::rows(&bytes).iter().flat_map(|row| row.bytes.to_vec()).collect();
        prop_assert_eq!(shown, bytes);
    }
}
