//! Sentences that the desk says in English, in Japanese: what somebody reads before a start, and
//! while a broadcast runs.
//!
//! **Never here:** what holds. **Invariant:** a sentence that no row knows is shown as it was said.

use std::borrow::Cow;

/// What is said, with `{}` for each value; and the same in Japanese, with the values by their
/// numbers.
const SENTENCES: [(&str, &str); 20] = [
    ("nobody is addressed", "宛先がありません"),
    (
        "some recipients have no text in their language (7001)",
        "一部の宛先には、その言語の文面がありません（7001）",
    ),
    ("some recipients are of no known area", "一部の宛先は地域が不明です"),
    ("no end is named: it ends after 72 hours", "終了時刻が未設定です（72 時間で終了）"),
    (
        "{} of {} recipients that were looked at are on a suppression list and get nothing (7002)",
        "確認した {1} 件のうち {0} 件は配信停止リストに載っているため届きません（7002）",
    ),
    (
        "{} of {} recipients that were looked at have no contract with the XPID and get nothing \
         (2005)",
        "確認した {1} 件のうち {0} 件はこの XPID との契約がないため届きません（2005）",
    ),
    (
        "{} of {} recipients that were looked at go by a carrier and get nothing, as the XPID \
         needs the line state (2006)",
        "確認した {1} 件のうち {0} 件は回線状態が必要な XPID のため、事業者経路では届きません（2006）",
    ),
    (
        "{} of {} recipients are of a shard that did not answer: nobody looked whether they have \
         contracts",
        "確認した {1} 件のうち {0} 件は処理区画が応答せず、契約の有無を確認できませんでした",
    ),
    (
        "{} recipients go by {} at {} SMS a second: that takes {} s, and it ends after {} s \
         (6001): give it longer, or them another carrier",
        "{0} 件は {1} 経由（毎秒 {2} 通）で {3} 秒かかりますが、{4} 秒で終了します（6001）。\
         期限を延ばすか、別の事業者に振り分けてください",
    ),
    (
        "the last of them has a turn after {} s ({}), and it ends after {} s (6001): give it \
         longer, or have it go faster",
        "最後の宛先への送信は {0} 秒後の見込み（{1}）ですが、{2} 秒で終了します（6001）。\
         期限を延ばすか、速度を上げてください",
    ),
    (
        "{} recipients, and {} may send {} a day: it pauses then (2007)",
        "宛先は {0} 件ですが、{1} の 1 日の上限は {2} 件で、そこで一時停止します（2007）",
    ),
    (
        "{} has sent the same text within {} minutes: who is in both gets it twice",
        "{0} が {1} 分以内に同じ文面を送信しています。両方の宛先には 2 回届きます",
    ),
    (
        "{} has sent the same text within {} minutes: who had it is skipped (7003)",
        "{0} が {1} 分以内に同じ文面を送信しています。受信済みの宛先は対象外です（7003）",
    ),
    (
        "the text in {} is written in {}: look at its language",
        "{0} の文面が {1} で書かれています。言語を確認してください",
    ),
    (
        "{} left out: their cell of the mesh lies outside the shapes",
        "{0} 件は、メッシュが図形の範囲外のため対象外です",
    ),
    (
        "{} count with their area, which the shapes reach in part: they have no cell of the mesh",
        "{0} 件はメッシュが不明のため、地域全体として対象に含まれます",
    ),
    (
        "{} of {} recipients have the text: fewer than half",
        "{1} 件のうち {0} 件にしか届いていません（半数未満）",
    ),
    ("not in every shard yet: {}", "一部のシャードにまだ伝わっていません: {0}"),
    (
        "a shard does not answer: what is shown is what was known before",
        "一部のシャードが応答しません。表示は以前の値です",
    ),
    ("a shard does not answer: it is told again", "一部のシャードが応答しません。再度伝えます"),
];

/// The values of a sentence of this form.
fn values<'a>(form: &str, sentence: &'a str) -> Option<Vec<&'a str>> {
    let mut pieces = form.split("{}");
    let mut rest = sentence.strip_prefix(pieces.next()?)?;
    let mut values = Vec::new();
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        let at = match pieces.peek() {
            Some(_) => rest.find(piece)?,
            None => rest.strip_suffix(piece)?.len(),
        };
        values.push(&rest[..at]);
        rest = &rest[at + piece.len()..];
    }
    rest.is_empty().then_some(values)
}

/// A sentence in Japanese.
pub(super) fn japanese(english: &str) -> Cow<'_, str> {
    let found = SENTENCES.iter().find_map(|(form, said)| Some((values(form, english)?, said)));
    let Some((values, said)) = found else { return english.into() };
    let mut text = (*said).to_owned();
    for (number, value) in values.into_iter().enumerate() {
        text = text.replace(&format!("{{{number}}}"), &japanese(value));
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sentence_with_its_values_is_said_in_japanese_and_no_value_is_lost() {
        for (form, said) in SENTENCES {
            let mut count = 0;
            let pieces: Vec<&str> = form.split("{}").collect();
            let mut sentence = pieces[0].to_owned();
            for piece in &pieces[1..] {
                sentence += &format!("V{count}{piece}");
                count += 1;
            }
            let text = japanese(&sentence);
            assert!(!text.contains('{') && !text.is_ascii(), "{text}");
            for number in 0..count {
                assert!(text.contains(&format!("V{number}")), "{sentence}: {text}");
            }
            assert!(!said.is_ascii(), "{said}");
        }
    }

    #[test]
    fn a_sentence_that_nobody_translated_is_shown_as_it_was_said() {
        for english in ["the moon is full", "nobody is addressed at all", ""] {
            assert_eq!(japanese(english), english);
        }
        let untold = "not in every shard yet: a shard does not answer: it is told again";
        let wanted =
            "一部のシャードにまだ伝わっていません: 一部のシャードが応答しません。再度伝えます";
        assert_eq!(japanese(untold), wanted);
    }
}
