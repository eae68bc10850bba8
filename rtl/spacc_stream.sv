/// Keeps the ring of streamed weights full: asks for the words of a layer again and again, in
/// chunks, whenever the ring has room for one.
///
/// Words are counted three times: asked for (`room_q` falls), arrived and not yet used for
/// the first sequence (`there_q`), and free again after their use for the last one.
module spacc_stream #(
  parameter  int unsigned WordBytes  = 512,  // of a word of all PEs, format 0; format 1 has twice that
  parameter  int unsigned ChunkWords = 4,
  parameter  int unsigned WordWidth  = 13
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,        // synchronous, active low: also a flush
  input  logic                 start_i,       // of a RUN with streamed weights
  input  logic [31:0]          steps_i,
  input  logic [31:0]          words_i,       // a step
  input  logic                 wide_i,        // format 1
  input  logic [63:0]          address_i,     // of the first word
  input  logic [WordWidth:0]   ring_words_i,  // ChunkWords or more
  // commands
  output logic                 cmd_valid_o,
  input  logic                 cmd_ready_i,
  output logic [63:0]          cmd_address_o,
  output logic [31:0]          cmd_bytes_o,
  // the ring
  input  logic                 word_i,        // a word was written
  input  logic                 take_i,
  input  logic                 release_i,
  output logic                 ready_o        // the next word may be read
);

  logic               active_q;
  logic [31:0]        steps_left_q, words_left_q, chunk;
  logic [WordWidth:0] room_q, there_q;
  logic [2:0]         word_q;       // a word may be read three cycles after its last beat
  logic [63:0]        next_q;
  logic               taken;

  assign chunk         = words_left_q < 32'(ChunkWords) ? words_left_q : 32'(ChunkWords);
  assign cmd_valid_o   = active_q && 32'(room_q) >= 32'(ChunkWords);
  assign cmd_address_o = next_q;
  assign cmd_bytes_o   = wide_i ? chunk * (2 * WordBytes) : chunk * WordBytes;
  assign taken         = cmd_valid_o && cmd_ready_i;
  assign ready_o       = there_q != '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      there_q  <= '0;
      word_q   <= '0;
    end else begin
      word_q <= {word_q[1:0], word_i};
      if (start_i)                                                          active_q <= 1'b1;
      else if (taken && steps_left_q == 32'd1 && chunk == words_left_q)     active_q <= 1'b0;
      // Words that LOAD_WEIGHTS wrote are none of ours.
      if (start_i)                   there_q <= '0;
      else if (word_q[2] && !take_i) there_q <= there_q + 1'b1;
      else if (take_i && !word_q[2]) there_q <= there_q - 1'b1;
    end
    if (start_i) begin
      steps_left_q <= steps_i;
      words_left_q <= words_i;
      next_q       <= address_i;
      room_q       <= ring_words_i;
    end else begin
      room_q <= room_q - (taken ? chunk[WordWidth:0] : '0) + {{WordWidth{1'b0}}, release_i};
      if (taken) begin
        words_left_q <= words_left_q - chunk;
        next_q       <= next_q + {32'd0, cmd_bytes_o};
        if (chunk == words_left_q) begin
          words_left_q <= words_i;
          next_q       <= address_i;
          steps_left_q <= steps_left_q - 32'd1;
        end
      end
    end
  end

endmodule
