# Net::SMPP as an ESME: netsmpp_esme.pl PORT COUNT. Prints what it saw as one line of JSON.
use strict;
use warnings;
use Net::SMPP;

my ($port, $count) = @ARGV;
sub bound {
    my ($word) = @_;
    return Net::SMPP->new_transceiver('127.0.0.1', port => $port, system_id => 'peer', password => $word,
        async => 0);
}

my ($wrong, $refusal) = bound('wrong');
my $refused = ref $refusal ? $refusal->{status} : 0;
my ($session) = bound('secret') or die "no bind: $!";
my (@ids, %receipts);

# Receipts come between answers, so nothing is waited for but by its command.
sub take {
    my $pdu = $session->read_pdu() or die "the connection ended";
    if ($pdu->{cmd} == 5) {
        my ($id, $state) = $pdu->{short_message} =~ /^id:(\S+) .*stat:(\S+)/;
        $receipts{$id} = $state if defined $id;
        $session->deliver_sm_resp(seq => $pdu->{seq}, message_id => '');
    } elsif ($pdu->{cmd} == 0x80000004) {
        push @ids, $pdu->{message_id};
    }
    return $pdu;
}
for my $number (1 .. $count) {
    my ($text, $coding) = $number == 1 ? ("\x65\xe9\x99\xac", 8) : ("push $number", 0);
    $session->submit_sm(source_addr_ton => 5, source_addr_npi => 0, source_addr => 'Hayauma', dest_addr_ton => 1,
        dest_addr_npi => 1, destination_addr => sprintf('8190%08d', $number), data_coding => $coding,
        short_message => $text, registered_delivery => 1, async => 1);
}
take() while @ids < $count or keys %receipts < $count;
$session->unbind(async => 1);
take();
my $receipts = join ', ', map { qq("$_": "$receipts{$_}") } sort keys %receipts;
my $ids = join ', ', map { qq("$_") } @ids;
print qq({"sent": $count, "refused": [$refused], "ids": [$ids], "receipts": {$receipts}}\n);
