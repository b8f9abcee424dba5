#[derive(clap::Args, Debug)]
pub struct SmsCommand {}
impl SmsCommand {
    pub fn run(self) -> Result<(), super::CliError> {
        Ok(())
    }
}
