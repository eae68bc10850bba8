/// Beats of weights as they lie in memory to writes of the weight memories: entries of PE 0,
/// 1, .. of a word, then the next word. From `ring_last_i` it goes on at `base_i`.
module spacc_weights #(
  parameter  int unsigned Pes         = 16,
  parameter  int unsigned Lanes       = 16,
  parameter  int unsigned AxiBits     = 64,
  parameter  int unsigned WeightBits  = 16,
  parameter  int unsigned IndexBits   = 8,
  parameter  int unsigned WordWidth   = 13,
  localparam int unsigned BeatLanes   = AxiBits / 16,
  localparam int unsigned Slices      = Lanes / BeatLanes,
  localparam int unsigned SliceWidth  = Slices > 1 ? $clog2(Slices) : 1
) (
  input  logic                            clk_i,
  input  logic                            rst_ni,      // synchronous, active low
  input  logic                            start_i,     // the next beat is the first of word base_i
  input  logic [WordWidth-1:0]            base_i,
  input  logic [WordWidth-1:0]            ring_last_i, // constant while beats come
  input  logic                            wide_i,      // format 1: 32-bit entries, two beats a write
  input  logic                            beat_i,
  input  logic [AxiBits-1:0]              data_i,
  output logic                            ww_valid_o,
  output logic [15:0]                     ww_pe_o,
  output logic [WordWidth-1:0]            ww_word_o,
  output logic [SliceWidth-1:0]           ww_slice_o,
  output logic [BeatLanes*WeightBits-1:0] ww_weight_o,
  output logic [BeatLanes*IndexBits-1:0]  ww_index_o,
  output logic                            word_o       // with the last write of a word
);

  localparam int unsigned Half = BeatLanes / 2;

  logic [15:0]           pe_q;
  logic [WordWidth-1:0]  word_q;
  logic [SliceWidth-1:0] slice_q;
  logic                  second_q, write, slice_end, pe_end;

  assign write     = beat_i && (!wide_i || second_q);
  assign slice_end = slice_q == SliceWidth'(Slices - 1);
  assign pe_end    = pe_q == 16'(Pes - 1);

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      word_q   <= base_i;
      pe_q     <= 16'd0;
      slice_q  <= '0;
      second_q <= 1'b0;
    end else begin
      if (beat_i) second_q <= wide_i && !second_q;
      if (write) begin
        slice_q <= slice_end ? '0 : slice_q + 1'b1;
        if (slice_end)           pe_q   <= pe_end ? 16'd0 : pe_q + 16'd1;
        if (slice_end && pe_end) word_q <= word_q == ring_last_i ? base_i : word_q + 1'b1;
      end
    end
    ww_valid_o <= rst_ni && write;
    word_o     <= rst_ni && write && slice_end && pe_end;
    if (write) begin
      ww_pe_o    <= pe_q;
      ww_word_o  <= word_q;
      ww_slice_o <= slice_q;
    end
  end

  // A first beat of format 1 fills the low half, the second one the high half.
  for (genvar e = 0; e < BeatLanes; e++) begin : gen_entry
    if (WeightBits == 16) begin : gen_wide
      localparam int unsigned At = e % Half;
      always_ff @(posedge clk_i) begin
        if (beat_i && !wide_i) begin
          ww_weight_o[16*e +: 16]              <= {{8{data_i[16*e+7]}}, data_i[16*e +: 8]};
          ww_index_o[IndexBits*e +: IndexBits] <= data_i[16*e+8 +: IndexBits];
        end else if (beat_i && second_q == (e >= Half)) begin
          ww_weight_o[16*e +: 16]              <= data_i[32*At +: 16];
          ww_index_o[IndexBits*e +: IndexBits] <= data_i[32*At+16 +: IndexBits];
        end
      end
    end else begin : gen_narrow
      always_ff @(posedge clk_i) begin
        if (beat_i) begin
          ww_weight_o[WeightBits*e +: WeightBits] <= data_i[16*e +: WeightBits];
          ww_index_o[IndexBits*e +: IndexBits]    <= data_i[16*e+8 +: IndexBits];
        end
      end
    end
  end

endmodule
