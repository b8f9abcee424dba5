//! What states, outcomes, codes and classes are called in both languages.

use std::borrow::Cow;

use super::tongue::Tongue;
use crate::broadcast::outcomes::Outcome;
use crate::control::broadcasts::ReasonFigures;

/// A state, in a word or two.
pub(super) fn state(tongue: Tongue, state: &str) -> &'static str {
    let (english, japanese) = match state {
        "draft" => ("Draft", "下書き"),
        "checked" => ("Checked", "確認済み"),
        "approved" => ("Approved", "承認済み"),
        "scheduled" => ("Starts when it is time", "開始時刻待ち"),
        "untold" => ("Does not go on in every shard", "一部のシャードで停止中"),
        "damaged" => ("Damaged", "破損"),
        "holding" => ("Starts in a moment", "開始待機中"),
        "running" => ("Running", "配信中"),
        "paused" => ("Paused", "一時停止中"),
        "closing" => ("Ending", "終了処理中"),
        "finished" => ("Finished", "完了"),
        "cancelled" => ("Cancelled", "中止済み"),
        "expired" => ("Time over", "期限切れ"),
        "replaced" => ("Replaced", "差し替え済み"),
        _ => ("Ended", "終了"),
    };
    tongue.say(english, japanese)
}

/// An outcome.
pub(super) fn outcome(tongue: Tongue, outcome: Outcome) -> &'static str {
    let (english, japanese) = match outcome {
        Outcome::Waiting => ("Waiting", "待機中"),
        Outcome::InFlight => ("Being sent", "送信中"),
        Outcome::Held => ("Held, tried again later", "保留（再送予定）"),
        Outcome::HandedOver => ("Handed to a carrier", "事業者へ引渡し"),
        Outcome::Delivered => ("Delivered", "到達"),
        Outcome::Partial => ("Delivered in part", "一部到達"),
        Outcome::Refused => ("Refused", "拒否"),
        Outcome::Failed => ("Failed", "失敗"),
        Outcome::Expired => ("Time over", "期限切れ"),
        Outcome::Cancelled => ("Cancelled", "中止"),
        Outcome::Replaced => ("Replaced", "差し替え"),
        Outcome::Skipped => ("Skipped", "対象外"),
        Outcome::InDoubt => ("In doubt", "到達不明"),
    };
    tongue.say(english, japanese)
}

/// A class.
pub(super) fn class(tongue: Tongue, class: &str) -> &'static str {
    let (english, japanese) = match class {
        "01" => ("Standard (01)", "通常（01）"),
        "02" => ("Urgent (02)", "至急（02）"),
        "03" => ("Emergency (03)", "緊急（03）"),
        "09" => ("Exercise 訓練 (09)", "訓練（09）"),
        _ => ("Unknown class", "不明な区分"),
    };
    tongue.say(english, japanese)
}

/// What holds a broadcast back.
pub(super) fn limit(tongue: Tongue, limit: &str) -> &'static str {
    let (english, japanese) = match limit {
        "pace" => ("the pace that was asked for", "設定された配信速度"),
        "network" => ("what the network takes", "ネットワークの受入能力"),
        "retries" => ("phones that cannot be reached now", "圏外等の端末の再送待ち"),
        "receipts" => ("receipts of carriers: all is sent", "事業者の配信結果待ち（送信は完了）"),
        "wave" => ("the next wave, which has not begun", "次の段階の開始待ち"),
        "storage" => ("storage: look at the device", "記憶装置（確認が必要）"),
        "stall" => ("nothing has moved for 10 seconds", "10 秒間進行なし"),
        "pause" => ("the pause", "一時停止"),
        "hold" => ("the hold before the first attempt", "開始前の待機時間"),
        _ => ("nothing", "なし"),
    };
    tongue.say(english, japanese)
}

/// What a code means in Japanese; in English the code's own table says it.
pub(super) fn meaning<'a>(tongue: Tongue, code: &str, english: &'a str) -> &'a str {
    if tongue == Tongue::English {
        return english;
    }
    match code {
        "0011" => "より新しい内容に差し替え",
        "0012" => "一部のみ送信後に中止",
        "2005" => "契約がない",
        "2006" => "種別の許可がない",
        "5001" => "受信者が拒否",
        "5002" => "利用停止中の番号",
        "5003" => "迷惑メール防止による拒否",
        "5004" => "受信上限",
        "5005" => "受信できない契約",
        "6001" => "期限切れ",
        "6002" => "存在しない番号",
        "6003" => "端末が対応していない",
        "6004" => "端末の不正な応答",
        "6005" => "端末のメモリ不足",
        "6006" => "圏外または電源断",
        "6007" => "通話中",
        "6008" => "ネットワークの混雑",
        "6009" => "ローミング先で不可",
        "6011" => "一部のみ到達",
        "6010" => "事業者が取り消した",
        "6012" => "事業者が配信できなかった",
        "6013" => "事業者から結果が届かない",
        "7001" => "その言語の文面がない",
        "7002" => "配信停止リストに登録",
        "7003" => "同じ文面を受信済み",
        "7004" => "到達不明（再送しない）",
        "7005" => "元の配信の結果が対象外",
        _ => "コードなし",
    }
}

/// Why somebody is held who is tried again: the code is what it will end with, if nothing comes of
/// that.
pub(super) fn held(tongue: Tongue, reason: &ReasonFigures) -> &str {
    let (english, japanese) = match reason.code.as_str() {
        "6005" => ("The phone's memory is full", "端末のメモリ不足"),
        "6006" => ("The phone is off or out of reach", "圏外または電源断"),
        "6007" => ("The phone is busy", "通話中"),
        "6008" => ("The network is congested", "ネットワークの混雑"),
        "6009" => ("The phone roams where it cannot be reached", "ローミング先で不可"),
        _ => return meaning(tongue, &reason.code, &reason.meaning),
    };
    tongue.say(english, japanese)
}

/// A warning of a dry run.
pub(super) fn warning(tongue: Tongue, english: &str) -> Cow<'_, str> {
    if tongue == Tongue::English {
        return english.into();
    }
    if let Some((numbers, what)) = english.split_once(" recipients that were looked at ")
        && let Some((rows, all)) = numbers.split_once(" of ")
    {
        let what = match what {
            what if what.contains("(7002)") => "配信停止リストに載っているため届きません（7002）",
            what if what.contains("(2005)") => "この XPID との契約がないため届きません（2005）",
            _ => "回線状態が必要な XPID のため、事業者経路では届きません（2006）",
        };
        return format!("確認した {all} 件のうち {rows} 件は{what}").into();
    }
    if let Some(rest) = english.strip_prefix("the text in ")
        && let Some((language, rest)) = rest.split_once(" is written in ")
    {
        let script = rest.split(':').next().unwrap_or_default();
        return format!("{language} の文面が {script} で書かれています。言語を確認してください")
            .into();
    }
    if let Some((numbers, _)) = english.split_once(" recipients are of a shard that did not ")
        && let Some((rows, all)) = numbers.split_once(" of ")
    {
        let what = "処理区画が応答せず、契約の有無を確認できませんでした";
        return format!("確認した {all} 件のうち {rows} 件は{what}").into();
    }
    if let Some((numbers, _)) = english.split_once(" recipients have the text: fewer than half")
        && let Some((rows, all)) = numbers.split_once(" of ")
    {
        return format!("{all} 件のうち {rows} 件にしか届いていません（半数未満）").into();
    }
    if let Some((rows, _)) = english.split_once(" left out: their cell of the mesh") {
        return format!("{rows} 件は、メッシュが図形の範囲外のため対象外です").into();
    }
    if let Some((rows, _)) = english.split_once(" count with their area, which the shapes") {
        return format!("{rows} 件はメッシュが不明のため、地域全体として対象に含まれます").into();
    }
    let japanese = match english {
        "nobody is addressed" => "宛先がありません",
        "some recipients have no text in their language (7001)" => {
            "一部の宛先には、その言語の文面がありません（7001）"
        }
        "some recipients are of no known area" => "一部の宛先は地域が不明です",
        "no end is named: it ends after 72 hours" => "終了時刻が未設定です（72 時間で終了）",
        other => other,
    };
    japanese.into()
}
