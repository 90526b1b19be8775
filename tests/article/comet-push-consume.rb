# The client of the article that conf-examples/nginx-push.conf comes from, with its text and habits kept
# (it sends If-Modified-Since and no If-None-Match). Made adjustable: the port, the seconds between two
# messages, and after how many of them it publishes no more.
require 'rubygems'
require 'em-http'
$stdout.sync = true
HOST = '127.0.0.1:' + ENV.fetch('COMET_PORT', '80')
PERIOD = ENV.fetch('COMET_PERIOD', '5').to_f
COUNT = ENV.fetch('COMET_COUNT', '1000000').to_i
def subscribe(opts)
listener = EventMachine::HttpRequest.new('http://' + HOST + '/activity?id='+ opts[:channel]).get :head => opts[:head]
listener.callback {
# print recieved message, re-subscribe to channel with
# the last-modified header to avoid duplicate messages
puts "Listener recieved: " + listener.response + "\\n"
modified = listener.response_header['LAST_MODIFIED']
subscribe({:channel => opts[:channel], :head => {'If-Modified-Since' => modified}})
}
end
EventMachine.run {
channel = "pub"
published = 0
# Publish new message every 5 seconds
timer = EM.add_periodic_timer(PERIOD) do
published += 1
timer.cancel if published >= COUNT
time = Time.now
publisher = EventMachine::HttpRequest.new('http://' + HOST + '/publish?id='+channel).post :body => "Hello @ #{time}"
publisher.callback {
puts "Published message @ #{time}"
puts "Response code: " + publisher.response_header.status.to_s
puts "Headers: " + publisher.response_header.inspect
puts "Body: \\n" + publisher.response
puts "\\n"
}
end
# open two listeners (aka broadcast/pubsub distribution)
subscribe(:channel => channel)
subscribe(:channel => channel)
}
