#!/usr/bin/perl
# Receives webhooks on 127.0.0.1:PORT and says whether each signature is right, by the rules of
# Standard Webhooks: base64(HMAC-SHA256(key, "id.timestamp.body")).
#
#   receiver.pl PORT SECRET      SECRET as webhooks.secret has it: whsec_...
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use IO::Socket::INET;
use MIME::Base64 qw(decode_base64 encode_base64);

my ($port, $secret) = @ARGV;
my $key = decode_base64($secret =~ s/^whsec_//r);
my $server = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 16, ReuseAddr => 1
) or die "receiver: cannot listen on port $port: $@\n";
$| = 1;
$SIG{PIPE} = 'IGNORE';

sub read_request {
    my ($client) = @_;
    my %header;
    defined(my $request_line = <$client>) or return;
    while (defined(my $line = <$client>)) {
        $line =~ s/\r?\n$//;
        last if $line eq '';
        my ($name, $value) = split /:\s*/, $line, 2;
        $header{ lc $name } = $value;
    }
    my $body = '';
    read $client, $body, $header{'content-length'} // 0;
    return (\%header, $body);
}

sub is_signed {
    my ($header, $body) = @_;
    my $text = join '.', $header->{'webhook-id'} // '', $header->{'webhook-timestamp'} // '', $body;
    my $right = 'v1,' . encode_base64(hmac_sha256($text, $key), '');
    return grep { $_ eq $right } split / /, $header->{'webhook-signature'} // '';
}

while (my $client = $server->accept) {
    $client->timeout(5);
    my ($header, $body) = read_request($client) or next;
    my $good = is_signed($header, $body);
    my ($type) = $body =~ /"type"\s*:\s*"([^"]*)"/;
    printf "webhook   %-26s %s, %d bytes\n", $type // '?', $good ? 'signature right' : 'SIGNATURE WRONG', length $body;
    my $status = $good ? '204 No Content' : '401 Unauthorized';
    print $client "HTTP/1.1 $status\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    close $client;
}
