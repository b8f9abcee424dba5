#[derive(clap::Args, Debug)]
pub struct QueueCommand {}
impl QueueCommand {
    pub fn run(self) -> Result<(), super::CliError> {
        Ok(())
    }
}
