//! What states, outcomes, codes and classes are called in both languages.

use std::borrow::Cow;

use super::sentences;
use super::tongue::Tongue;
use crate::broadcast::outcomes::Outcome;
use crate::control::broadcasts::{ReasonFigures, code_of_pause};

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
        "missed" => ("Missed: it was never sent", "開始できず終了（未配信）"),
        "nobody" => ("Over: nobody had to be told", "終了（対象者なし）"),
        "left" => ("Discarded: nobody went on with it", "破棄済み（手続き未了）"),
        "failed" => ("Failed: it was never sent", "失敗（未配信）"),
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
        "registration" => ("what its registration may send", "登録された送信速度の上限"),
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

/// What would hold a broadcast back, as its dry run foretells it.
pub(super) fn bound(tongue: Tongue, bound: &str) -> &'static str {
    let (english, japanese) = match bound {
        "area_pace" => ("the pace of each area", "地域別の配信速度"),
        "carriers" => ("what carriers take", "事業者の受入能力"),
        "other_broadcasts" => ("other broadcasts of its class", "同じ区分の他の配信"),
        "unknown" => (
            "nobody knows: nothing was sent without a pace within a day",
            "不明（24 時間以内に速度制限のない配信がありません）",
        ),
        other => return limit(tongue, other),
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
        "2002" | "2003" => "登録がない",
        "2004" => "登録が停止中、または期間外",
        "2005" => "契約がない",
        "2006" => "種別の許可がない",
        "2007" => "1 日の上限に到達",
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
    match tongue {
        Tongue::English => english.into(),
        Tongue::Japanese => sentences::japanese(english),
    }
}

/// Why a broadcast stands: a shard has paused it by itself, or not all shards go on with it.
pub(super) fn stopped_by(tongue: Tongue, why: &str) -> Cow<'_, str> {
    match (code_of_pause(why), tongue) {
        (None, _) => warning(tongue, why),
        (Some(_), Tongue::English) => format!("It has paused by itself: {why}").into(),
        (Some(code), Tongue::Japanese) => {
            let meaning = meaning(tongue, code, why);
            format!("自動的に一時停止しました: {meaning}（{code}）").into()
        }
    }
}
